"""Packing a kit for publication: the kit archive, which participants get, apart from the private data.

The same folder gives the same bytes: entries are sorted, and hold neither times nor owners. Nothing is uploaded here.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Callable

from palio.contract_errors import KitError
from palio.kit_folder import OUTPUT, STARTER, is_kit

#: Never packed, wherever they lie; nor is anything hidden.
LEFT_OUT = frozenset({"__pycache__", OUTPUT, "node_modules"})
PREPARE = "prepare_data.py"


@dataclass(frozen=True)
class PackedProblem:
    """The archives of a problem, both .tar.gz."""

    #: What participants may have; `problem.py` at its root.
    kit: Path
    #: What the platform trains and tests on, below `data/`; None where all data are public.
    private: Path | None


@dataclass(frozen=True)
class Entry:
    """A file and the name that it gets in an archive."""

    name: PurePosixPath
    file: Path


@contextmanager
def packed_problem(folder: Path, private: Path | None = None, *, all_data_public: bool = False) -> Iterator[PackedProblem]:
    """The archives of the kit in `folder`, for as long as the context lasts.

    - The kit archive holds the kit without its data, with the starter as the only submission (others would be solutions)
      and without `prepare_data.py` (which tells how the private data came about).
    - With `data/public/`, its content becomes the kit archive's `data/`, and the rest of `data/` the private archive.
    - A kit with `prepare_data.py` and no `data/` has that run first, in a copy.
    - `private` names the private data instead: an archive, taken as it is, or a folder, either the data themselves or one
      that holds `data/`. All of the kit's own `data/` is public then, or only `data/public/` if there is one.
    - Data that nothing says to be private or public are refused, unless `all_data_public`.

    Raises KitError.
    """
    if not is_kit(folder):
        raise KitError(f"{folder} is no kit: it has no problem.py.")
    with tempfile.TemporaryDirectory(prefix="palio-") as workshop:
        source = _with_data(folder, Path(workshop))
        data = source / "data"
        public = data / "public" if (data / "public").is_dir() else None
        kit_entries = list(_entries(source, skip=_is_no_kit_code))
        private_entries: list[Entry] = []
        if public is not None:
            kit_entries += _entries(public, below="data")
            private_entries = list(_entries(data, below="data", skip=lambda name: name.parts[0] == "public"))
        elif data.is_dir():
            if private is None and not all_data_public:
                raise KitError(
                    "The kit has data/, but no data/public/: all of it would be given to participants, test set included. "
                    "Put an extract for them into data/public/, or name the private data with --private; "
                    "if all of it may be had by everyone, say --all-data-public."
                )
            kit_entries += _entries(data, below="data")
        kit_archive = write_archive(Path(workshop) / "kit.tar.gz", kit_entries)
        yield PackedProblem(kit_archive, _private_archive(Path(workshop), private, private_entries))


def write_archive(path: Path, entries: Iterable[Entry]) -> Path:
    """Write a .tar.gz of these files; the same files give the same bytes. Returns its path."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for entry in sorted(entries, key=lambda entry: entry.name.as_posix()):
            header = tarfile.TarInfo(entry.name.as_posix())
            header.size = entry.file.stat().st_size
            header.mode = 0o644
            with entry.file.open("rb") as content:
                archive.addfile(header, content)
    return path


def _with_data(folder: Path, workshop: Path) -> Path:
    """The kit's folder, or a copy of it where its own script made the data."""
    if (folder / "data").exists() or not (folder / PREPARE).is_file():
        return folder
    copy = workshop / "copy"
    shutil.copytree(folder, copy, ignore=lambda _, names: [name for name in names if name.startswith(".") or name in LEFT_OUT])
    finished = subprocess.run(
        [sys.executable, PREPARE],
        cwd=copy,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if finished.returncode:
        said = f"{finished.stdout}{finished.stderr}".strip()
        raise KitError(
            f"{PREPARE} ended with exit code {finished.returncode}. Mend it, or make data/ yourself and publish again.", said
        )
    if not (copy / "data").is_dir():
        raise KitError(f"{PREPARE} wrote no data/ folder beside itself.")
    return copy


def _private_archive(workshop: Path, given: Path | None, entries: list[Entry]) -> Path | None:
    if given is None:
        return write_archive(workshop / "private.tar.gz", entries) if entries else None
    if given.is_file():
        return given
    if not given.is_dir():
        raise KitError(f"There is no {given} with private data.")
    data = given / "data" if (given / "data").is_dir() else given
    found = list(_entries(data, below="data", skip=lambda name: name.parts[0] == "public"))
    if not found:
        raise KitError(f"{data} holds no private data.")
    return write_archive(workshop / "private.tar.gz", found)


def _is_no_kit_code(name: PurePosixPath) -> bool:
    """Whether a path in a kit's folder stays out of the kit archive: data are dealt with apart."""
    first, second = name.parts[0], name.parts[1:2]
    return name.parts[0] == "data" or name.as_posix() == PREPARE or (first == "submissions" and second not in {(), (STARTER,)})


def _entries(folder: Path, below: str = "", skip: Callable[[PurePosixPath], bool] = lambda _: False) -> Iterator[Entry]:
    """The files under a folder, named relative to it, and to `below` in the archive."""
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if _is_packed(here / name))
        packed = [name for name in files if _is_packed(here / name)]
        for name in [*folders, *packed]:
            if (here / name).is_symlink():
                raise KitError(f"{here / name} is a link, which an archive of a kit cannot hold. Put the file itself there.")
        for name in packed:
            relative = PurePosixPath((here / name).relative_to(folder).as_posix())
            if not skip(relative):
                yield Entry(PurePosixPath(below) / relative, here / name)


def _is_packed(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return not hidden and path.name not in LEFT_OUT and path.suffix != ".pyc" and not (path / "pyvenv.cfg").is_file()
