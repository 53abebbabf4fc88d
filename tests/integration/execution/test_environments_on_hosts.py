"""A packed environment on the hosts that use it: unpacked once, by its digest, read-only, evicted when there is no room and nobody uses it."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.artefacts import Bucket, MissingArtefactError, Store, content_key
from shared.execution.cache import TooLargeError, size_of
from shared.execution.environments.build import Builder
from shared.execution.environments.index import Index
from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap, SandboxSpec
from shared.settings import CacheSettings
from shared.workbench import Workbench
from tests.integration.execution.programs import LIMITS, PYTHON
from tests.support.package_index import package_index, write_wheel


@dataclass(frozen=True)
class Packs:
    """Two packed environments in the store, of nearly the same size."""

    one: str
    two: str
    bytes: int


@pytest.fixture
def packs(interpreter: Interpreter, store_of: Callable[[str], Store], tmp_path: Path) -> Packs:
    digests, size = [], 0
    with package_index(tmp_path / "index") as index:
        builder = Builder(Bubblewrap(), tmp_path / "building", Index({"UV_DEFAULT_INDEX": index.url}, None), None)
        for name in ("one", "two"):
            write_wheel(tmp_path / "index", name, "1.0", {f"{name}.py": f"value = {name!r} # {'x' * 300_000}".encode()})
            lock = builder.resolve((name,), interpreter)
            pack = builder.build(lock, interpreter, tmp_path / f"{name}.tar.zst")
            store_of("scorer").put_file(Bucket.PREPARED, content_key(pack.digest), pack.path)
            digests.append(pack.digest)
    roomy = Workbench(store_of("trainer-default"), CacheSettings(cache_dir=tmp_path / "roomy"))
    for digest in digests:
        with roomy.environment(digest, PYTHON) as environment:
            size = max(size, size_of(environment.folder).bytes)
    return Packs(*digests, size)


@pytest.fixture
def workbench(store_of: Callable[[str], Store], tmp_path: Path) -> Callable[[int], Workbench]:
    """A trainer's, with a cache of this size."""
    return lambda max_bytes: Workbench(
        store_of("trainer-default"), CacheSettings(cache_dir=tmp_path / "trainer", cache_max_bytes=max_bytes)
    )


def entries(folder: Path) -> list[str]:
    """Digests of what is in a trainer's cache."""
    return [path.name.split("-")[0] for path in (folder / "trainer" / "artefacts").iterdir() if path.suffix == ".unpacked"]


def test_an_environment_can_be_read_and_not_written(packs: Packs, workbench: Callable[[int], Workbench]) -> None:
    code = """
import one
for name in (one.__file__, "/environment/new", "/environment/bin/python"):
    try:
        open(name, "ab")
    except OSError as error:
        print(one.value, error.strerror)
"""
    with workbench(10**9).environment(packs.one, PYTHON) as environment:
        files = [path for path in environment.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert files
        assert not [path for path in files if path.stat().st_mode & 0o222]
        spec = SandboxSpec(("/environment/bin/python", "-s", "-B", "-c", code), environment.mounts, LIMITS)
        result = Bubblewrap().start(spec).wait()
    refused = result.log.decode().splitlines()
    assert len(refused) == 3
    assert set(refused) <= {"one Read-only file system", "one Permission denied"}


def test_an_environment_is_unpacked_once_however_many_folds_ask(
    packs: Packs, workbench: Callable[[int], Workbench], tmp_path: Path
) -> None:
    bench = workbench(10**9)

    def inode() -> int:
        with bench.environment(packs.one, PYTHON) as environment:
            return environment.folder.stat().st_ino

    with ThreadPoolExecutor(4) as threads:
        assert len({each.result() for each in [threads.submit(inode) for _ in range(12)]}) == 1
    assert entries(tmp_path) == [packs.one]


def test_an_environment_in_use_is_never_evicted_and_goes_when_it_is_not(
    packs: Packs, workbench: Callable[[int], Workbench], tmp_path: Path
) -> None:
    bench = workbench(packs.bytes * 3 // 2)
    with bench.environment(packs.one, PYTHON) as one, bench.environment(packs.two, PYTHON) as two:
        # More than the cache should hold, but both are in use.
        assert list(one.folder.rglob("one.py"))
        assert list(two.folder.rglob("two.py"))
    [lock] = (tmp_path / "trainer" / "artefacts").glob(f"{packs.two}*.lock")
    os.utime(lock, (0, 0))
    with bench._cache.get("ab" * 32, lambda path: path.touch()):
        assert entries(tmp_path) == [packs.one]


def test_an_environment_too_large_for_a_trainer_is_refused_and_leaves_nothing(
    packs: Packs, workbench: Callable[[int], Workbench], tmp_path: Path
) -> None:
    with pytest.raises(TooLargeError, match=r"the cache here may hold 100,000 \(PALIO_CACHE_MAX_BYTES\)"):
        workbench(100_000).environment(packs.one, PYTHON).__enter__()
    assert entries(tmp_path) == []
    assert size_of(tmp_path / "trainer").bytes < 1000


def test_a_pack_that_somebody_changed_in_the_store_is_not_used(
    packs: Packs, workbench: Callable[[int], Workbench], store_of: Callable[[str], Store]
) -> None:
    store_of("scorer").put_bytes(Bucket.PREPARED, content_key(packs.one), b"something else")
    with pytest.raises(MissingArtefactError, match="holds other bytes than its name says"):
        workbench(10**9).environment(packs.one, PYTHON).__enter__()
