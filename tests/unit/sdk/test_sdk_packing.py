from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palio.contract_errors import KitError
from palio.packing import Entry, packed_problem, write_archive

ROOT = Path(__file__).resolve().parents[3]


def _write(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def _contents(archive: Path | None) -> dict[str, str]:
    assert archive is not None
    with tarfile.open(archive) as opened:
        return {member.name: _bytes(opened, member).decode() for member in opened}


def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    assert content is not None, f"{member.name} is no plain file"
    return content.read()


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return _write(
        tmp_path / "kit",
        "problem.py",
        "requirements.txt",
        "prepare_data.py",
        "external_imports/tools/coins.py",
        "submissions/starting_kit/estimator.py",
        "submissions/starting_kit/training_output/fold_0/y_pred.npz",
        "submissions/solution/estimator.py",
        "data/train.csv",
        "data/images/1.png",
        "data/public/train.csv",
        "data/public/images/0.png",
        "__pycache__/problem.cpython-311.pyc",
        "external_imports/old.pyc",
        ".git/config",
        ".env",
        "data/.cache/secret",
        "environment/pyvenv.cfg",
        "environment/bin/python",
    )


def test_the_public_extract_becomes_the_data_of_the_kit_and_the_rest_stays_private(kit: Path) -> None:
    with packed_problem(kit) as packed:
        public, private = _contents(packed.kit), _contents(packed.private)
    assert public["data/train.csv"] == "data/public/train.csv"
    assert private == {"data/train.csv": "data/train.csv", "data/images/1.png": "data/images/1.png"}
    assert sorted(public) == [
        "data/images/0.png",
        "data/train.csv",
        "external_imports/tools/coins.py",
        "problem.py",
        "requirements.txt",
        "submissions/starting_kit/estimator.py",
    ]


def test_packing_the_same_kit_elsewhere_and_later_gives_the_same_bytes(kit: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(kit, copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
    (copy / "problem.py").chmod(0o600)
    with packed_problem(kit) as one, packed_problem(copy) as other:
        assert one.private is not None
        assert other.private is not None
        assert one.kit.read_bytes() == other.kit.read_bytes()
        assert one.private.read_bytes() == other.private.read_bytes()


def test_data_that_nothing_declares_public_are_not_given_away(kit: Path) -> None:
    shutil.rmtree(kit / "data" / "public")
    with pytest.raises(KitError, match=r"test set included.*--all-data-public"), packed_problem(kit):
        pass
    with packed_problem(kit, all_data_public=True) as packed:
        assert packed.private is None
        assert {"data/train.csv", "data/images/1.png"} <= _contents(packed.kit).keys()


@pytest.mark.parametrize("inside", ["", "data/"])
def test_private_data_may_lie_in_a_folder_apart(kit: Path, tmp_path: Path, inside: str) -> None:
    shutil.rmtree(kit / "data" / "public")
    private = _write(tmp_path / "private", f"{inside}train.csv", f"{inside}public/train.csv")
    with packed_problem(kit, private) as packed:
        assert _contents(packed.private) == {"data/train.csv": f"{inside}train.csv"}
        assert _contents(packed.kit)["data/train.csv"] == "data/train.csv"


def test_a_private_archive_goes_up_as_it_is(kit: Path, tmp_path: Path) -> None:
    archive = tmp_path / "private.zip"
    archive.write_bytes(b"whatever it holds")
    with packed_problem(kit, archive) as packed:
        assert packed.private == archive


def test_a_link_is_refused_wherever_it_points(kit: Path) -> None:
    (kit / "external_imports" / "shortcut.py").symlink_to("/etc/passwd")
    with pytest.raises(KitError, match=r"shortcut.py is a link"), packed_problem(kit):
        pass


def test_data_are_prepared_in_a_copy_and_the_kit_stays_as_it_was(tmp_path: Path) -> None:
    kit = tmp_path / "iris"
    shutil.copytree(ROOT / "kits" / "iris", kit, ignore=shutil.ignore_patterns("data", "__pycache__"))
    before = sorted(kit.rglob("*"))
    with packed_problem(kit) as packed:
        public, private = _contents(packed.kit), _contents(packed.private)
    assert sorted(private) == ["data/test.csv", "data/train.csv"]
    assert len(public["data/train.csv"].splitlines()) == 31
    assert "prepare_data.py" not in public
    assert not any(name.startswith("submissions/") and "starting_kit" not in name for name in public)
    assert sorted(kit.rglob("*")) == before


@pytest.mark.parametrize(
    ("script", "message", "detail"),
    [("raise SystemExit('no disk')", "exit code 1", "no disk"), ("print('nothing to do')", "wrote no data/", None)],
)
def test_a_preparation_that_fails_is_told_with_what_it_said(
    tmp_path: Path, script: str, message: str, detail: str | None
) -> None:
    kit = _write(tmp_path / "kit", "problem.py")
    (kit / "prepare_data.py").write_text(script)
    with pytest.raises(KitError, match=message) as caught, packed_problem(kit):
        pass
    assert caught.value.detail == detail


def test_a_folder_that_is_no_kit_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"no kit"), packed_problem(tmp_path):
        pass


@given(
    st.dictionaries(st.text("ab_", min_size=1, max_size=8), st.binary(max_size=200), max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_files_changes_no_archive(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], random: object
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    entries = []
    for index, (name, content) in enumerate(files.items()):
        (folder / f"file-{index}").write_bytes(content)
        entries.append(Entry(PurePosixPath(name), folder / f"file-{index}"))
    first = write_archive(folder / "first.tar.gz", entries).read_bytes()
    random.shuffle(entries)  # type: ignore[attr-defined]
    assert write_archive(folder / "second.tar.gz", entries).read_bytes() == first
    with tarfile.open(folder / "first.tar.gz") as opened:
        assert {member.name: _bytes(opened, member) for member in opened} == files
