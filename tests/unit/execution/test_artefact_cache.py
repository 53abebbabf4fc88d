"""The cache of artefacts: made once however many ask, whole or not at all, evicted only when nobody uses it."""

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from shared.artefacts.archives import ArchiveLimits, pack_files
from shared.artefacts.archives import unpack as unpack_archive
from shared.execution.cache import Cache, TooLargeError, size_of

DIGEST = "a" * 64


def fetch(content: bytes, calls: list[Path]):  # noqa: ANN201 - a function
    def write(path: Path) -> None:
        calls.append(path)
        path.write_bytes(content)

    return write


def unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "inside").write_bytes(archive.read_bytes())


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path / "cache", 10**6), []
    for _ in range(3):
        with cache.get(DIGEST, fetch(b"x", calls)) as path:
            assert path.read_bytes() == b"x"
    assert len(calls) == 1


def test_file_and_folder_of_one_artefact_are_two_entries(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path / "cache", 10**6), []
    with cache.get(DIGEST, fetch(b"x", calls)) as file, cache.get(DIGEST, fetch(b"x", calls), unpack) as folder:
        assert file.is_file()
        assert (folder / "inside").read_bytes() == b"x"


def test_entries_can_be_read_by_everybody_and_written_by_nobody(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**6)
    before = os.umask(0o077)
    try:
        with cache.get(DIGEST, fetch(b"x", []), unpack) as folder:
            assert (folder / "inside").stat().st_mode & 0o777 == 0o444
            assert folder.stat().st_mode & 0o005 == 0o005
    finally:
        os.umask(before)


@pytest.mark.parametrize("breaks", ["fetch", "unpack"])
def test_what_fails_leaves_nothing_behind_and_is_tried_again(breaks: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**6)

    def fails(*paths: Path) -> None:
        paths[-1].mkdir()
        raise OSError("no room")

    first = (fails, unpack) if breaks == "fetch" else (fetch(b"x", []), fails)
    with pytest.raises(OSError, match="no room"), cache.get(DIGEST, *first):
        pass
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{DIGEST}.unpacked.lock"]
    with cache.get(DIGEST, fetch(b"x", []), unpack) as folder:
        assert (folder / "inside").exists()


def test_what_a_dead_maker_left_is_made_anew(tmp_path: Path) -> None:
    left = tmp_path / "cache" / f"{DIGEST}.making"
    left.mkdir(parents=True)
    (left / "fetched").write_bytes(b"half")
    with Cache(tmp_path / "cache", 10**6).get(DIGEST, fetch(b"whole", [])) as path:
        assert path.read_bytes() == b"whole"
    assert not left.exists()


def test_many_threads_that_ask_at_once_get_one(tmp_path: Path) -> None:
    cache, calls, contents = Cache(tmp_path / "cache", 10**6), [], []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait()
        with cache.get(DIGEST, fetch(b"x", calls), unpack) as folder:
            contents.append((folder / "inside").read_bytes())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == [b"x"] * 8
    assert len(calls) == 1


def ask_in_process(folder: Path, made: Path) -> None:
    def write(path: Path) -> None:
        with made.open("a") as file:
            file.write("made\n")
        path.write_bytes(b"x")

    with Cache(folder, 10**6).get(DIGEST, write, unpack) as entry:
        assert (entry / "inside").read_bytes() == b"x"


def test_many_processes_that_ask_at_once_get_one(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=ask_in_process, args=(tmp_path / "cache", tmp_path / "made")) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "made").read_text() == "made\n"


def test_the_least_recently_used_is_evicted_and_never_one_in_use(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 250)
    names = {letter: letter * 64 for letter in "abcd"}
    calls: list[Path] = []

    def use(letter: str) -> None:
        with cache.get(names[letter], fetch(bytes(100), calls)):
            pass

    def there() -> set[str]:
        return {letter for letter, name in names.items() if (tmp_path / "cache" / name).exists()}

    use("a")
    use("b")
    for age, letter in enumerate("ba"):
        os.utime(tmp_path / "cache" / f"{names[letter]}.lock", (age, age))
    use("c")
    assert there() == {"a", "c"}
    with cache.get(names["a"], fetch(b"", [])):
        os.utime(tmp_path / "cache" / f"{names['a']}.lock", (0, 0))
        os.utime(tmp_path / "cache" / f"{names['c']}.lock", (1, 1))
        use("d")
        assert there() == {"a", "d"}


@pytest.mark.parametrize("unpacking", [None, unpack])
def test_an_entry_that_alone_is_larger_than_the_cache_is_refused_and_not_kept(unpacking, tmp_path: Path) -> None:  # noqa: ANN001 - a function
    cache = Cache(tmp_path / "cache", 99)
    with pytest.raises(TooLargeError, match=r"it takes 100 bytes; .* 99 \(PALIO_CACHE_MAX_BYTES\)"):
        cache.get(DIGEST, fetch(bytes(100), []), unpacking).__enter__()
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    with cache.get(DIGEST, fetch(bytes(99), []), unpacking) as entry:
        assert entry.exists()


def test_an_archive_that_is_stopped_for_its_size_is_too_large_for_the_cache(tmp_path: Path) -> None:
    def bounded(archive: Path, folder: Path) -> None:
        unpack_archive(archive, folder, ArchiveLimits(max_bytes=1000))

    with pytest.raises(TooLargeError, match="unpacks to more than 1000 bytes"):
        Cache(tmp_path / "cache", 1000).get(DIGEST, fetch(pack_files({"x": bytes(1001)}), []), bounded).__enter__()


def test_entries_of_which_no_size_is_noted_count_too(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path / "cache", 250), []
    for letter in "ab":
        with cache.get(letter * 64, fetch(bytes(100), calls), unpack):
            pass
        (tmp_path / "cache" / f"{letter * 64}.unpacked.lock").write_bytes(b"")
    with cache.get("c" * 64, fetch(bytes(100), calls)):
        assert len([path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]) == 2


def test_the_size_of_a_folder_is_that_of_its_files_and_not_of_what_links_lead_to(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_bytes(bytes(10))
    (tmp_path / "other").write_bytes(bytes(5))
    (tmp_path / "link").symlink_to("/usr")
    size = size_of(tmp_path)
    assert (size.bytes, size.files) == (15, 2)
    assert size_of(tmp_path / "other").bytes == 5
    assert size_of(tmp_path / "none").files == 0
