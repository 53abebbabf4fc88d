"""The cache when a process dies in the middle, or an entry is evicted while its lock changes hands."""

import shutil
from pathlib import Path

import pytest

from shared.execution import cache as module
from shared.execution.cache import Cache

FIRST, SECOND = "a" * 64, "b" * 64


class DiedError(BaseException):
    """As if the process had ended here."""


def fetch(path: Path) -> None:
    path.write_bytes(bytes(100))


def unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_bytes(archive.read_bytes())


def test_an_eviction_that_dies_in_the_middle_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    cache = Cache(folder, 250)
    with cache.get(FIRST, fetch, unpack):
        pass

    def remove_half(path: Path, **_options: object) -> None:
        """Remove one file of the entry that is being evicted, and die."""
        inside = sorted(Path(path).rglob("one")) if FIRST in str(path) else []
        for each in inside:
            each.unlink()
            raise DiedError
        rmtree(path, ignore_errors=True)

    rmtree = shutil.rmtree
    with monkeypatch.context() as patched:
        patched.setattr(module.shutil, "rmtree", remove_half)
        with pytest.raises(DiedError), cache.get(SECOND, fetch):
            pass
    with cache.get(FIRST, fetch, unpack) as entry:
        assert sorted(path.name for path in entry.iterdir()) == ["one", "two"]


def test_what_dead_makers_left_of_other_entries_is_removed_in_time(tmp_path: Path) -> None:
    left = tmp_path / "cache" / f"{FIRST}.making"
    left.mkdir(parents=True)
    (left / "fetched").write_bytes(bytes(1000))
    with Cache(tmp_path / "cache", 10**6).get(SECOND, fetch):
        assert not left.exists()
