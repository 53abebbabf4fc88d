"""Every form that RAMP's kits take, through the whole platform: published, prepared, trained, scored, on the board, with RAMP's numbers.

The kits are `tests/kits/ramp_*`. All are published at once and submitted to at once, as a course would.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from palio.packing import packed_problem
from shared.artefacts.archives import pack_files
from tests.e2e.conftest import RampNumbers, assert_same_numbers
from tests.support.people import ROOT, Person, wait_until_prepared

FORMS = (
    *("craters", "spectra", "el_nino", "external_data", "many_labels"),
    *("fold_aware", "clustering", "images", "steps"),
)
#: Its data are made on the platform, by a script that the organiser sends with the private data.
MADE_THERE = "fold_aware"
LABEL_FREE = {"images": ["data/imgs"]}
#: The first test waits for an environment and nine preparations: on a busy machine longer than one test usually may.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Entered:
    """A kit's folder as `ramp-test` wants it, the problem that was made of it, and its starter's submission, if it came so far."""

    kit: Path
    problem: dict[str, Any]
    submission: str | None


@pytest.fixture(scope="module")
def forms(organiser: Person, ada: Person, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Entered]:
    folder = tmp_path_factory.mktemp("forms")
    for form in FORMS:
        shutil.copytree(ROOT / "tests/kits" / f"ramp_{form}", folder / form)
        publish(organiser, form, folder / form)
    return {form: enter(organiser, ada, form, folder / form) for form in FORMS}


def publish(organiser: Person, form: str, kit: Path) -> None:
    """Make the kit's data, and publish it, without waiting for what comes of it."""
    script, private = kit / "prepare_data.py", None
    if script.exists():
        subprocess.run([sys.executable, "-W", "error", script], check=True)
    source = kit
    if form == MADE_THERE:
        private = kit.with_name(f"{form}-private.tar")
        private.write_bytes(pack_files({script.name: script.read_bytes()}))
        source = shutil.copytree(kit, kit.with_name(f"{form}-sent"), ignore=shutil.ignore_patterns("data", script.name))
    with packed_problem(source, private) as packed:
        settings = {"label_free_folders": LABEL_FREE.get(form, [])}
        organiser.client.publish_problem(f"ramp-{form.replace('_', '-')}", packed.kit, packed.private, settings)


def enter(organiser: Person, ada: Person, form: str, kit: Path) -> Entered:
    """Open a challenge once the problem is prepared, and submit the starter, without waiting for its end."""
    name = f"ramp-{form.replace('_', '-')}"
    problem = wait_until_prepared(organiser.client, name)
    if problem["state"] != "prepared":
        return Entered(kit, problem, None)
    organiser.client.create_challenge(name, str(problem["title"]), name)
    ada.client.join(name)
    return Entered(kit, problem, ada.client.submit(name, "starting_kit", files_of(kit, "starting_kit"))["id"])


def files_of(kit: Path, submission: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (kit / "submissions" / submission).iterdir() if path.is_file()}


def ended(person: Person, submission: str) -> dict[str, Any]:
    """A submission in its final state."""
    *_, last = person.client.watch(submission)
    return dict(last)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_ramps_kits_gets_the_numbers_of_ramp_test_on_every_fold(
    form: str, forms: dict[str, Entered], organiser: Person, ada: Person, ramp_numbers: RampNumbers
) -> None:
    entered = forms[form]
    assert entered.problem["state"] == "prepared", entered.problem
    assert entered.submission is not None
    state = ended(ada, entered.submission)
    assert state["state"] == "scored", state
    expected = ramp_numbers(entered.kit, "starting_kit", state["challenge"])
    assert_same_numbers(organiser.client.submission(entered.submission)["scores"], expected)
    [row] = ada.client.board(state["challenge"])["rows"]
    assert row["scores"] == {metric: numbers["valid"] for metric, numbers in state["scores"]["bagged"].items()}


def test_kits_that_ask_for_the_same_packages_share_one_environment(forms: dict[str, Entered], organiser: Person) -> None:
    digests = {organiser.client.environment(str(entered.problem["id"]))["digest"] for entered in forms.values()}
    assert len(digests) == 1


def test_a_feature_extractor_that_looks_ahead_is_told_so(forms: dict[str, Entered], ada: Person) -> None:
    kit = forms["el_nino"].kit
    submission = ada.client.submit("ramp-el-nino", "looks ahead", files_of(kit, "looks_ahead"))
    state = ended(ada, submission["id"])
    assert (state["state"], state["outcome"]) == ("failed", "train_error")
    assert "looks into the future by at least 6 time steps" in state["reason"]


@pytest.mark.parametrize(
    ("entries", "reason", "detail"),
    [
        ("python=3.7, numpy", "asks for Python ==3.7.*, which is not installed here; there is ", ""),
        ("gdal, no-such-conda-thing", "the package index has no no-such-conda-thing", "'gdal' is left out"),
        ("numpy>=99", "the requirements cannot be met", "you require numpy>=99"),
    ],
    ids=["python", "unknown name", "unsolvable"],
)
def test_an_environment_that_cannot_be_had_is_told_to_its_organiser(
    entries: str, reason: str, detail: str, organiser: Person, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kit = shutil.copytree(ROOT / "tests/kits/ramp_clustering", tmp_path / "kit")
    (kit / "environment.yml").write_text(f"dependencies: [{entries}]")
    problem = f"environment-{request.node.callspec.id.replace(' ', '-')}"
    with packed_problem(kit) as packed:
        organiser.client.publish_problem(problem, packed.kit, packed.private)
    found = wait_until_prepared(organiser.client, problem)
    assert (found["state"], found["outcome"]) == ("failed", "environment_error")
    assert reason in str(found["reason"])
    assert detail in str(found["detail"])
