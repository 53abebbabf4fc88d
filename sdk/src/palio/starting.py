"""Putting a downloaded starting kit on disk. Trusts no name in the archive."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from palio.contract_errors import KitError


def unpack_kit(archive: BinaryIO, folder: Path) -> None:
    """Write the files of a zip archive into a folder, which is made if missing.

    Raises KitError before anything is written if the archive is damaged, or if it holds a path that leads out of the
    folder, a link or another special file.
    """
    try:
        with zipfile.ZipFile(archive) as kit:
            members = [member for member in kit.infolist() if not member.is_dir()]
            for member in members:
                _check(member)
            folder.mkdir(parents=True, exist_ok=True)
            for member in members:
                target = folder.joinpath(*PurePosixPath(member.filename).parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(kit.read(member))
    except (zipfile.BadZipFile, EOFError) as error:
        raise KitError(f"The starting kit arrived damaged ({error}). Try again.") from error


def _check(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        # A drive or a backslash means something on Windows only; no kit needs them anywhere.
        or PureWindowsPath(member.filename).drive
        or "\\" in member.filename
        or kind not in {0, stat.S_IFREG}
    ):
        raise KitError(f"The starting kit holds {member.filename!r}, which is no plain file inside it; nothing was unpacked.")
