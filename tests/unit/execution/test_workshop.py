"""The folder in which environments are built: what a build leaves, what dead builders left, how large uv's cache may become."""

import fcntl
import os
from pathlib import Path

from shared.execution.environments.workshop import Workshop


def cached(folder: Path, size: int) -> Path:
    """A file in uv's cache."""
    file = folder / "uv" / "cache" / "wheel"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(size))
    return file


def test_a_build_is_given_readable_files_and_leaves_nothing(tmp_path: Path) -> None:
    wheel = tmp_path / "palio-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    wheel.chmod(0o600)
    before = os.umask(0o077)
    try:
        with Workshop(tmp_path / "shop", 10**6).build([wheel], 60) as build:
            build.give("lock.txt", "numpy")
            for file in (build.input / "lock.txt", build.input / "wheels" / wheel.name):
                assert file.stat().st_mode & 0o777 == 0o644
            assert 59 < build.time_left_s <= 60
            build.folder.mkdir(parents=True)
    finally:
        os.umask(before)
    assert not build.input.exists()
    assert not build.folder.exists()


def test_what_dead_builders_left_goes_and_the_cache_stays(tmp_path: Path) -> None:
    file = cached(tmp_path, 1000)
    for left in ("inputs/dead/wheels", "uv/builds/dead/environment", "discarded/cache"):
        (tmp_path / left).mkdir(parents=True)
    with Workshop(tmp_path, 10**6).build([], 60):
        pass
    assert file.exists()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_dir()) == ["uv", "uv/cache"]


def test_a_cache_that_has_grown_too_large_is_thrown_away_once_nobody_builds(tmp_path: Path) -> None:
    workshop, file = Workshop(tmp_path, 100_000), cached(tmp_path, 50_000)
    with workshop.build([], 60):
        assert workshop.used_bytes() >= 50_000
    assert file.exists()
    with workshop.build([], 60), workshop.build([], 60) as second:
        cached(tmp_path, 200_000)
        second.folder.mkdir(parents=True)
        workshop.tidy()
        assert file.exists()
        assert second.folder.exists()
    assert not file.exists()
    with workshop.build([], 60) as build:
        assert build.uv_folder.is_dir()


def test_a_builder_in_another_process_is_not_disturbed(tmp_path: Path) -> None:
    workshop, file = Workshop(tmp_path, 1000), cached(tmp_path, 50_000)
    # Locks belong to the opened file: this is as good as another process.
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    workshop.tidy()
    assert file.exists()
    os.close(descriptor)
    workshop.tidy()
    assert not file.exists()


def test_a_full_disk_gives_the_cache_up_whatever_its_size(tmp_path: Path) -> None:
    workshop, file = Workshop(tmp_path, 10**9), cached(tmp_path, 10)
    with workshop.build([], 60):
        workshop.discard_cache()
    assert not file.exists()
    kept = cached(tmp_path, 10)
    with workshop.build([], 60):
        pass
    assert kept.exists()
