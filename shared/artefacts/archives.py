"""Archives: made by us so that equal files give equal bytes, and opened without trusting who made them.

Owns the packing of files into one tar that a content address can name, and the opening of tar, tar.gz, tar.zst and zip
archives that strangers upload. Never keeps links, devices, owners or times. An archive is taken or refused as a whole:
whoever unpacks does so into a folder of its own and throws that away on `ArchiveError`.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from shared.artefacts.members import ArchiveError, ArchiveLimits, ArchiveTooLargeError, Member, checked_name, members_of

__all__ = [
    "ArchiveError",
    "ArchiveLimits",
    "ArchiveTooLargeError",
    "digest_of",
    "pack_files",
    "pack_folder",
    "read_archive",
    "unpack",
]

_CHUNK_BYTES = 1 << 20
#: Level 3 packs 262 MB of environment in 0.65 s; higher levels take longer than the transfer they save.
_ZSTD_LEVEL = 3
#: Any number but none gives the same bytes.
_ZSTD_THREADS = 2


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """One uncompressed tar of these files, by name; the same files always give the same bytes.

    Raises `ArchiveError` for a name that `unpack` would refuse.
    """
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            header = _header(checked_name(name), len(files[name]), executable=False)
            archive.addfile(header, io.BytesIO(files[name]))
    return target.getvalue()


def pack_folder(
    folder: Path, target: Path, *, compress: bool = False, leave_out: Callable[[str], bool] = lambda _name: False
) -> str:
    """Write the regular files below `folder` as one tar to `target`; returns the SHA-256 of it, in lower-case hex.

    Names are relative to the folder, in sorted order; times, owners and all modes but "executable" are left out, so that
    equal folders give equal bytes (compressed ones as long as the release of zstd is the same). Links are followed only to
    files inside the folder, never to folders; empty folders are not kept. `leave_out` gets each name. Raises `ArchiveError` for what cannot
    be packed.
    """
    root = folder.resolve()
    with target.open("wb") as file:
        digest = _DigestWriter(file)
        # Only `write` and `flush` are called on it; the types of tarfile and zstandard ask for a whole file.
        plain = cast("IO[bytes]", digest)
        if compress:
            with zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=_ZSTD_THREADS).stream_writer(plain, closefd=False) as writer:
                _write_folder(root, cast("IO[bytes]", writer), leave_out)
        else:
            _write_folder(root, plain, leave_out)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hex: its content address."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_archive(archive: bytes, limits: ArchiveLimits) -> dict[str, bytes]:
    """The files of a small archive, by name. Raises `ArchiveError`; nothing is written anywhere."""
    files: dict[str, bytes] = {}
    for member in members_of(io.BytesIO(archive), len(archive), limits):
        files[member.name] = b"".join(member.chunks())
    return files


def unpack(archive: Path, folder: Path, limits: ArchiveLimits, *, over: bool = False) -> tuple[str, ...]:
    """Write the files of an archive below `folder`; returns their names in the archive's order.

    With `over`, files already there are replaced: meant for laying a second archive over a first that was unpacked here.
    The folder must hold nothing but what this function wrote (so no links); it is made if missing. Raises `ArchiveError`,
    with part of the files written: remove the folder then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    with archive.open("rb") as file:
        for member in members_of(file, archive.stat().st_size, limits):
            _write_member(member, folder, over=over)
            names.append(member.name)
    return tuple(names)


def _write_member(member: Member, folder: Path, *, over: bool) -> None:
    path = folder / member.name
    mode = 0o755 if member.executable else 0o644
    try:
        if over:
            path.unlink(missing_ok=True)
        with open(_created(path, mode), "wb", buffering=0) as target:
            # Whatever the umask here: others read what is unpacked.
            os.fchmod(target.fileno(), mode)
            target.writelines(member.chunks())
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise ArchiveError(f"{member.name!r} is both a file and a folder, or there twice") from error


def _created(path: Path, mode: int) -> int:
    """A descriptor of a file that is new: never of one that is there, or that a link leads to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        # Tried first without: of ten thousand files in an environment, most find their folder.
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, mode)


def _write_folder(root: Path, target: IO[bytes], leave_out: Callable[[str], bool]) -> None:
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK_BYTES) as archive:
        for name in sorted(_names_below(root)):
            if leave_out(name):
                continue
            path = root / name
            if not path.is_file() or (path.is_symlink() and not path.resolve().is_relative_to(root)):
                raise ArchiveError(f"{name!r} is no regular file, or a link that leads outside")
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                header = _header(checked_name(name), status.st_size, executable=bool(status.st_mode & 0o100))
                archive.addfile(header, file)


def _names_below(root: Path) -> Iterator[str]:
    """Everything below a folder that is no folder itself, nor a link to one, relative and with `/`."""
    for parent, _folders, names in os.walk(root):
        prefix = os.path.relpath(parent, root)
        for name in names:
            yield name if prefix == "." else f"{prefix}/{name}"


def _header(name: str, size: int, *, executable: bool) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o755 if executable else 0o644
    return header


class _DigestWriter:
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
