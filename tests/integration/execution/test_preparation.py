"""Preparing kits: what comes out, who may see it, and what the organiser reads when a kit is broken."""

import json
from pathlib import Path

import pytest

from shared.artefacts.archives import pack_files, pack_folder
from shared.execution.preparation import KitError
from shared.execution.sandbox import Bubblewrap
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.layout import Laid, lay_out, submission_of
from tests.integration.execution.programs import ROOT
from tests.integration.execution.small_kits import TINY, classifier, rows, tiny_kit

CANARY = "canary-7f3a91"


def private(folder: Path, files: dict[str, bytes]) -> Path:
    archive = folder / "private.tar"
    archive.write_bytes(pack_files(files))
    return archive


def test_a_kit_becomes_files_and_a_manifest_that_names_them(
    sandbox: Bubblewrap, environment: Environment, tmp_path: Path
) -> None:
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path)
    description, manifest = laid.prepared.description, laid.prepared.manifest
    assert (description.title, description.elements, description.n_folds) == ("Tiny", ("classifier.py",), 3)
    assert (description.n_train, description.n_test, description.score_kind) == (60, 21, "bag")
    assert [(metric.name, metric.maximum) for metric in description.metrics] == [("acc", 1.0), ("odds", None)]
    assert description.predictions.shape == (2,)
    assert description.preload == ("numpy",)
    assert set(laid.prepared.for_trainers) == {manifest.kit, manifest.x_train, manifest.x_test, *manifest.folds}
    assert manifest.python_version == "3.11"
    assert type(manifest).model_validate_json(manifest.model_dump_json()) == manifest


def test_the_same_kit_is_prepared_to_the_same_bytes(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    kit = tiny_kit(tmp_path)
    first, second = (lay_out(sandbox, environment, kit, tmp_path / name).prepared for name in ("first", "second"))
    assert first.manifest == second.manifest
    assert first.labels_digest == second.labels_digest


def test_nothing_private_is_in_what_trainers_get(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    secret = {
        "data/train.csv": rows(60),
        "data/test.csv": rows(21),
        "data/secret.txt": CANARY.encode(),
        "notes.txt": CANARY.encode(),
    }
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path, private(tmp_path, secret))
    for path in laid.prepared.for_trainers.values():
        assert CANARY.encode() not in path.read_bytes()
    names = {path.relative_to(laid.folder / "kit").as_posix() for path in (laid.folder / "kit").rglob("*")}
    assert names == {"problem.py"}


def test_private_data_count_more_than_the_kits_public_ones(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path, private(tmp_path, {"data/train.csv": rows(33)}))
    assert laid.prepared.description.n_train == 33


def test_a_script_in_the_private_data_prepares_them(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    script = b"print('preparing')\nopen('data/train.csv', 'w').writelines(list(open('data/raw.csv'))[:45])\n"
    laid = lay_out(
        sandbox,
        environment,
        tiny_kit(tmp_path),
        tmp_path,
        private(tmp_path, {"prepare_data.py": script, "data/raw.csv": rows(80)}),
    )
    assert laid.prepared.description.n_train == 45
    assert laid.prepared.log == b"preparing\n"


def test_a_script_in_the_public_kit_alone_is_not_run(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    kit = tiny_kit(tmp_path, {"prepare_data.py": b"1 / 0"})
    assert lay_out(sandbox, environment, kit, tmp_path).prepared.log == b""


@pytest.mark.parametrize("test_set", [b"None, None", b'_read(path, "test.csv")[0], None'], ids=["none", "without labels"])
def test_a_kit_without_a_test_set_has_none(
    test_set: bytes, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    problem = TINY + b'\ndef get_test_data(path="."):\n    return ' + test_set
    laid = lay_out(sandbox, environment, tiny_kit(tmp_path, {"problem.py": problem}), tmp_path)
    assert laid.prepared.manifest.x_test is None
    assert laid.prepared.description.n_test is None
    scores = laid.train_and_score(stations, submission_of(tmp_path, {"classifier.py": classifier()}))
    assert all(score.test is None for score in scores.folds)
    assert all(score.test == () for score in scores.bagged)


def test_folders_without_labels_are_shown_where_they_were(
    sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    problem = (
        TINY
        + b"""
_numbers = _read

def _read(path, name):
    X, y = _numbers(path, name)
    return os.path.join(path, "data", "images"), np.array([f"{int(i) % 3}.txt" for i in X[:, 1]]), X, y

def get_train_data(path="."):
    folder, names, X, y = _read(path, "train.csv")
    return (folder, names, X), y

def get_test_data(path="."):
    folder, names, X, y = _read(path, "test.csv")
    return (folder, names, X), y

class Images(Workflow):
    def train_submission(self, module_path, X, y, train_is=None):
        return super().train_submission(module_path, X[2], y, train_is)

    def test_submission(self, model, X):
        print([open(os.path.join(X[0], name)).read() for name in X[1][:3]])
        return super().test_submission(model, X[2])

workflow = Images()
"""
    )
    images = {f"data/images/{i}.txt": f"image {i}".encode() for i in range(3)}
    kit = tiny_kit(tmp_path, {"problem.py": problem})
    laid = lay_out(sandbox, environment, kit, tmp_path, private(tmp_path, images), ("data/images",))
    result = laid.train(stations, submission_of(tmp_path, {"classifier.py": classifier()}))
    assert result.outcome == "trained", result
    assert b"['image 0', 'image 1', 'image 2']" in result.log
    assert not (laid.folder / "shown" / "data" / "train.csv").exists()


@pytest.mark.parametrize("folder", ["data/none", "../etc", "/etc", ""])
def test_a_folder_that_is_not_there_cannot_be_shown(
    folder: str, sandbox: Bubblewrap, environment: Environment, tmp_path: Path
) -> None:
    with pytest.raises(KitError, match="label-free folder"):
        lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path, None, (folder,))


@pytest.mark.parametrize(
    ("replace", "reason", "detail"),
    [
        ({"problem.py": b"import nonsense"}, "problem.py cannot be imported: ModuleNotFoundError", "import nonsense"),
        ({"problem.py": b"def (:"}, "problem.py cannot be imported: SyntaxError", "SyntaxError"),
        ({"problem.py": b"x = 1"}, "does not define problem_title, Predictions", "ImportError"),
        ({"problem.py": TINY + b"\nraise SystemExit(3)"}, "problem.py cannot be imported: SystemExit: 3", "SystemExit"),
        ({"data/train.csv": b""}, "get_train_data fails: IndexError", "numbers[:, :2]"),
        ({"problem.py": TINY.replace(b'"test.csv"', b'"none.csv"')}, "get_test_data fails: FileNotFoundError", "none.csv"),
        ({"problem.py": TINY + b"\ndef get_train_data(path): return None, None"}, "get_cv fails", "gives no y"),
        ({"problem.py": TINY + b"\ndef get_cv(X, y): return []"}, "get_cv fails: ValueError: there are no folds", ""),
        ({"problem.py": TINY + b"\ndef get_cv(X, y): return [([0, 99], [1])]"}, "rows 0 to 99 of only 60", ""),
        ({"problem.py": TINY + b"\ndef get_cv(X, y): return [([], [1])]"}, "fold 0 has 0 training rows", ""),
        ({"problem.py": TINY + b"\nscore_types = []"}, "score_types is empty", ""),
        ({"problem.py": TINY + b"\nscore_types = [Accuracy(), Accuracy()]"}, "two metrics are called 'acc'", ""),
        (
            {"problem.py": TINY + b"\ndef get_test_data(path): return None, [1]"},
            "get_test_data fails: ValueError: there is y",
            "",
        ),
        ({"problem.py": TINY + b"\nleaderboard_score_kind = 'best'"}, "must be 'bag' or 'mean'", ""),
        (
            {"problem.py": TINY + b"\n_g = get_train_data\ndef get_train_data(p): return (lambda: 0), _g(p)[1]"},
            "x_train cannot be stored",
            "",
        ),
        (
            {"problem.py": TINY + b"\n_g = get_train_data\ndef get_train_data(p): return _g(p)[0], dict(enumerate(_g(p)[1]))"},
            "",
            "",
        ),
        ({"problem.py": TINY + b"\nimport os\nos._exit(0)"}, "ended with exit code 0 before it was done", ""),
        (
            {"problem.py": TINY + b"\nworkflow.element_names = ['../../x.py']"},
            "describes something that cannot be shown",
            "elements",
        ),
    ],
)
def test_a_broken_kit_is_a_kit_error_in_words(
    replace: dict[str, bytes], reason: str, detail: str, sandbox: Bubblewrap, environment: Environment, tmp_path: Path
) -> None:
    with pytest.raises(KitError) as failure:
        lay_out(sandbox, environment, tiny_kit(tmp_path, replace), tmp_path)
    assert reason in failure.value.reason
    assert detail in (failure.value.detail or "")


def test_a_kit_without_problem_py_says_so(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(pack_files({"other/problem.py": TINY}))
    with pytest.raises(KitError, match=r"no problem\.py at its root"):
        lay_out(sandbox, environment, tmp_path / "kit.tar", tmp_path)


def test_a_script_that_fails_shows_its_own_words(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    files = {"prepare_data.py": b"print('step 1')\nraise RuntimeError('no raw data')"}
    with pytest.raises(KitError, match=r"prepare_data.py ends with code 1") as failure:
        lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path, private(tmp_path, files))
    assert "step 1" in str(failure.value.detail)
    assert "RuntimeError: no raw data" in str(failure.value.detail)


def test_a_script_has_no_network(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    files = {"prepare_data.py": b"import socket\nsocket.create_connection(('1.1.1.1', 53), 5)"}
    with pytest.raises(KitError) as failure:
        lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path, private(tmp_path, files))
    assert "Network is unreachable" in str(failure.value.detail)


def test_an_archive_that_is_unsafe_is_a_kit_error(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(b"no archive")
    with pytest.raises(KitError, match=r"send a \.tar"):
        lay_out(sandbox, environment, tmp_path / "kit.tar", tmp_path)


@pytest.mark.parametrize("name", ["iris", "digits"])
def test_our_own_kits_prepare_train_and_score(
    name: str, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    kit, folder = tmp_path / "kit.tar", ROOT / "kits" / name
    pack_folder(folder, kit, leave_out=lambda file: file.startswith("data/") and not file.startswith("data/public/"))
    pack_folder(folder, tmp_path / "private.tar", leave_out=lambda file: file != "prepare_data.py")
    laid: Laid = lay_out(sandbox, environment, kit, tmp_path, tmp_path / "private.tar")
    elements = laid.prepared.description.elements
    assert sorted(elements) == sorted(path.name for path in (folder / "submissions/starting_kit").iterdir() if path.is_file())
    scores = laid.train_and_score(stations, folder / "submissions" / "starting_kit")
    assert scores.problems == ()
    official = laid.prepared.description.metrics[0].name
    [bagged] = [score for score in scores.bagged if score.metric == official]
    assert bagged.valid[-1] is not None
    assert json.dumps(bagged.valid)
