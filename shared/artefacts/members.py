"""The members of an archive that a stranger made, one after the other, each checked before it is handed on.

Owns the reading of tar, tar.gz, tar.zst and zip with limits that are counted while unpacking: sizes that headers claim are
never believed. Never writes a file.
"""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol, Self, cast

import zstandard

_CHUNK_BYTES = 1 << 20
#: A long name or PAX header is read into memory before it can be looked at; honest ones take a few hundred bytes.
_MAX_HEADER_BYTES = 1 << 16
_HEADER_ALLOWANCE_BYTES = 4096
_MAX_NAME_BYTES = 1024
_MAX_PART_BYTES = 255
_MAX_DEPTH = 32
#: The ratio of a small archive says nothing: a file of blanks is no bomb.
_RATIO_COUNTS_FROM_BYTES = 64 << 20
_HEADERS = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)
#: What a Mac adds to every archive, and nobody means to upload.
_CLUTTER = frozenset({"__MACOSX", ".DS_Store"})
_ZIP_ENCRYPTED = 0x1
_ZIP_UTF8 = 0x800
_TAR_MAGIC_AT = 257
#: 128 MiB, the most that `zstd --long` asks of a reader by default.
_ZSTD_WINDOW_BYTES = 1 << 27


class ArchiveError(ValueError):
    """An archive cannot be taken. The message is one sentence for the person who uploaded it."""


class ArchiveTooLargeError(ArchiveError):
    """An archive holds more bytes than its limits allow."""


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may become: bytes of all files once unpacked, number of entries, unpacked bytes per archive byte."""

    max_bytes: int
    max_files: int = 100_000
    max_ratio: int = 500


@dataclass(frozen=True)
class Member:
    """A regular file in an archive. `chunks` reads it, once, before the next member is asked for."""

    name: str
    executable: bool
    chunks: Callable[[], Iterator[bytes]]


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Meter:
    """Counts what comes out of an archive, and stops it."""

    def __init__(self, archive_bytes: int, limits: ArchiveLimits) -> None:
        self._archive_bytes = max(archive_bytes, 1)
        self._limits = limits
        self._bytes = 0
        self._entries = 0

    def entry(self) -> None:
        self._entries += 1
        if self._entries > self._limits.max_files:
            raise ArchiveError(f"the archive holds more than {self._limits.max_files} files")

    def count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.max_bytes:
            raise ArchiveTooLargeError(f"the archive unpacks to more than {self._limits.max_bytes} bytes")
        if self._bytes > max(_RATIO_COUNTS_FROM_BYTES, self._archive_bytes * self._limits.max_ratio):
            raise ArchiveError(f"the archive unpacks to more than {self._limits.max_ratio} times its size")


class _Throttled:
    """What a tar's headers and skipped members may take besides the files: reading on for ever is a bomb too."""

    def __init__(self, source: _Readable, limits: ArchiveLimits) -> None:
        self._source = source
        self._left = limits.max_bytes + limits.max_files * _HEADER_ALLOWANCE_BYTES + _CHUNK_BYTES

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError("the archive unpacks to more than its files may have")
        return data


class _Names:
    """The names seen so far: each once, and none both a file and a folder."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, name: str) -> None:
        if name in self._files:
            raise ArchiveError(f"the archive holds {name!r} twice")
        parts = name.split("/")
        folders = {"/".join(parts[:end]) for end in range(1, len(parts))}
        if name in self._folders or not self._files.isdisjoint(folders):
            raise ArchiveError(f"the archive holds {name!r} both as a file and as a folder")
        self._files.add(name)
        self._folders |= folders


def checked_name(name: str) -> str:
    """The name of a member as a relative path with `/`, without `.` parts. Raises `ArchiveError` for one that is unsafe."""
    shown = repr(name if len(name) <= _MAX_PART_BYTES else name[:_MAX_PART_BYTES] + "…")
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise ArchiveError(f"the name {shown} in the archive is not UTF-8") from error
    if not name.isprintable():
        raise ArchiveError(f"the name {shown} in the archive holds a control character")
    if name.startswith("/") or "\\" in name or (len(name) > 1 and name[1] == ":"):
        raise ArchiveError(f"the name {shown} in the archive is not relative, with '/' between its parts")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ArchiveError(f"the name {shown} in the archive leads out of it")
    if not parts:
        raise ArchiveError("the archive holds a file without a name")
    if len(encoded) > _MAX_NAME_BYTES or len(parts) > _MAX_DEPTH or any(len(p.encode()) > _MAX_PART_BYTES for p in parts):
        raise ArchiveError(f"the name {shown} in the archive is too long or too deep")
    return "/".join(parts)


def members_of(file: BinaryIO, archive_bytes: int, limits: ArchiveLimits) -> Iterator[Member]:
    """The regular files of a tar, tar.gz, tar.zst or zip, by their first bytes. Raises `ArchiveError` for anything unsafe."""
    meter, names = _Meter(archive_bytes, limits), _Names()
    with _in_words():
        members = _zip_members(file, meter) if _is_zip(file) else _tar_members(_Throttled(_plain(file), limits), meter)
        for member in members:
            if _CLUTTER.isdisjoint(member.name.split("/")):
                names.add(member.name)
                yield member


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever the readers of tar, zip, gzip and zstd raise for a broken or hostile archive becomes one sentence."""
    try:
        yield
    except ArchiveError:
        raise
    except UnicodeDecodeError as error:
        raise ArchiveError("the archive holds a name that is not UTF-8") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, gzip.BadGzipFile) as error:
        raise ArchiveError(f"the archive is damaged or cut short ({error})") from error
    except (ValueError, OverflowError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(f"the archive cannot be read ({error})") from error


def _is_zip(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    return start in {b"PK\x03\x04", b"PK\x05\x06"}


def _plain(file: BinaryIO) -> _Readable:
    """The tar inside, whatever compressed it."""
    start = file.read(_TAR_MAGIC_AT + 5)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        return decompressor.stream_reader(file, read_across_frames=True, closefd=False)
    # A tar of nothing is blocks of zeros.
    if start[_TAR_MAGIC_AT:] == b"ustar" or (len(start) > _TAR_MAGIC_AT and not any(start)):
        return file
    raise ArchiveError("this is no archive that can be read: send a .tar, .tar.gz, .tar.zst or .zip")


class _GuardedHeader(tarfile.TarInfo):
    """A tar header that is refused if it is none, and whose extensions are refused before they are read into memory."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        # `tarfile` takes whatever is no header for the end, so that an archive that was cut between two files would be whole.
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the block that says that this is all
            raise
        except tarfile.HeaderError as error:
            raise ArchiveError(f"the archive is damaged or cut short ({error})") from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and not 0 <= self.size <= _MAX_HEADER_BYTES:
            raise ArchiveError("the archive holds a header that is too large")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]  # the hook tarfile documents for subclasses


def _tar_members(source: _Readable, meter: _Meter) -> Iterator[Member]:
    # In stream mode `tarfile` only ever calls `read`; its type asks for a whole file.
    stream = cast("IO[bytes]", source)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_GuardedHeader, encoding="utf-8", errors="strict") as archive:
        for entry in archive:
            # The list of members grows with every header; nobody here looks back.
            archive.members.clear()  # type: ignore[attr-defined]  # an attribute that typeshed leaves out
            meter.entry()
            if entry.isdir():
                checked_name(entry.name + "/x")
                continue
            name = checked_name(entry.name)
            if (
                entry.type not in {tarfile.REGTYPE, tarfile.AREGTYPE}
                or entry.issparse()
                or "GNU.sparse.realsize" in entry.pax_headers
            ):
                raise ArchiveError(f"{name!r} in the archive is a link, a device or another special file: send plain files only")
            content = archive.extractfile(entry)
            if content is None:
                raise ArchiveError(f"{name!r} in the archive has no content")
            yield Member(name, bool(entry.mode & stat.S_IXUSR), lambda content=content: _metered(content, meter))  # type: ignore[misc]


def _zip_members(file: BinaryIO, meter: _Meter) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            meter.entry()
            if not entry.flag_bits & _ZIP_UTF8 and not entry.orig_filename.isascii():
                raise ArchiveError(f"the name {entry.orig_filename!r} in the archive is not UTF-8")
            # `filename` is cut at a NUL and has the local separator replaced: the original is what is checked.
            if entry.is_dir():
                checked_name(entry.orig_filename + "/x")
                continue
            name = checked_name(entry.orig_filename)
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
                raise ArchiveError(f"{name!r} in the archive is a link, a device or another special file: send plain files only")
            if entry.flag_bits & _ZIP_ENCRYPTED:
                raise ArchiveError(f"{name!r} in the archive is encrypted: send it without a password")
            yield Member(name, bool(mode & stat.S_IXUSR), lambda entry=entry: _zip_chunks(archive, entry, meter))  # type: ignore[misc]


def _zip_chunks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, meter: _Meter) -> Iterator[bytes]:
    with _in_words(), archive.open(entry) as content:
        yield from _metered(content, meter)


def _metered(content: _Readable, meter: _Meter) -> Iterator[bytes]:
    # Read outside the loop over the members, hence translated here as well.
    with _in_words():
        while chunk := content.read(_CHUNK_BYTES):
            meter.count(len(chunk))
            yield chunk
