from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from palio.contract_errors import KitError
from palio.kit_folder import Origin, find_target, origin_of, read_elements, remember_origin
from palio.starting import unpack_kit


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kit = tmp_path / "coins"
    for submission in ("starting_kit", "mine"):
        (kit / "submissions" / submission).mkdir(parents=True)
    (kit / "submissions" / "__pycache__").mkdir()
    (kit / "problem.py").touch()
    monkeypatch.chdir(tmp_path)
    return kit


def test_a_kit_a_submission_or_both_may_be_named(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = kit / "submissions" / "starting_kit"
    assert find_target(["coins", "starting_kit"]).submission == starter
    assert find_target(["coins"], submission="starting_kit").submission == starter
    assert find_target(["starting_kit"], kit).submission == starter
    assert find_target([str(kit), str(starter)]).submission == starter
    monkeypatch.chdir(kit)
    assert find_target(["starting_kit"]) == find_target(["submissions/starting_kit"])
    assert find_target([]).kit == kit


def test_without_a_name_the_only_own_submission_is_meant_else_the_starter(kit: Path) -> None:
    assert find_target(["coins"]).submission.name == "mine"
    (kit / "submissions" / "mine").rmdir()
    assert find_target(["coins"]).submission.name == "starting_kit"


def test_a_choice_is_left_to_the_user(kit: Path) -> None:
    (kit / "submissions" / "other").mkdir()
    with pytest.raises(KitError, match=r"Which submission\? submissions/ holds mine, other, starting_kit"):
        find_target(["coins"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["coins", "theirs"], "no submission 'theirs': submissions/ holds mine, starting_kit"),
        (["coins", "mine", "more"], "'more' is one name too many"),
        (["bills"], "Nor is 'bills' a kit's folder"),
        ([], "palio start CHALLENGE"),
    ],
)
@pytest.mark.usefixtures("kit")
def test_what_is_not_there_is_told(arguments: list[str], message: str) -> None:
    with pytest.raises(KitError, match=message):
        find_target(arguments)


def test_a_kit_without_submissions_says_where_they_belong(kit: Path) -> None:
    for name in ("mine", "starting_kit"):
        (kit / "submissions" / name).rmdir()
    with pytest.raises(KitError, match="holds no submission"):
        find_target(["coins"])


def test_a_kit_remembers_where_it_came_from(kit: Path) -> None:
    assert origin_of(kit) is None
    remember_origin(kit, Origin("https://palio.example", "coins"))
    assert find_target(["coins"]).origin == Origin("https://palio.example", "coins")
    (kit / ".palio.json").write_text("{broken")
    assert origin_of(kit) is None


def test_the_files_of_a_submission_are_read_and_missing_ones_named(kit: Path) -> None:
    folder = kit / "submissions" / "mine"
    (folder / "classifier.py").write_bytes(b"x = 1\r\n")
    (folder / "notes.txt").touch()
    assert read_elements(folder, ["classifier.py"]) == {"classifier.py": b"x = 1\r\n"}
    with pytest.raises(
        KitError, match=r"has no extractor.py. A submission to this challenge consists of extractor.py, classifier.py"
    ):
        read_elements(folder, ["extractor.py", "classifier.py"])


def _zip(*names: str, mode: int = 0) -> io.BytesIO:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name in names:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            opened.writestr(member, f"content of {name}")
    return archive


def test_a_starting_kit_is_unpacked_with_its_folders(tmp_path: Path) -> None:
    unpack_kit(_zip("problem.py", "submissions/starting_kit/classifier.py", "data/"), tmp_path / "new" / "kit")
    assert (tmp_path / "new/kit/submissions/starting_kit/classifier.py").read_text().startswith("content of")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", "C:/outside", "C:outside", "a\\..\\outside"])
def test_a_path_that_leads_out_unpacks_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(KitError, match="nothing was unpacked"):
        unpack_kit(_zip("problem.py", name), tmp_path / "kit")
    assert not (tmp_path / "kit").exists()


def test_a_link_in_a_starting_kit_unpacks_nothing(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="no plain file"):
        unpack_kit(_zip("problem.py", mode=stat.S_IFLNK | 0o777), tmp_path / "kit")


def test_a_damaged_starting_kit_is_told(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="arrived damaged"):
        unpack_kit(io.BytesIO(b"<html>not a zip</html>"), tmp_path / "kit")
