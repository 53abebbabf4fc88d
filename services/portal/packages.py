"""The wheels that participants install, as a package index (PEP 503) that pip and uv understand.

Serves what lies in one folder and is a wheel by its name; a request never becomes a path.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

GET_AND_HEAD = ["GET", "HEAD"]
#: PEP 427 allows no more in a wheel's name; in particular no separator and nothing that needs escaping in HTML or a URL.
WHEEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
PALIO = "palio"


@dataclass(frozen=True)
class Wheel:
    """A wheel in the folder."""

    project: str
    version: Version
    path: Path

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def digest(self) -> str:
        """Lower-case hex sha256 of the file."""
        status = self.path.stat()
        return _digest(self.path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001  (a wheel that was replaced is hashed again)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class WheelFolder:
    """The folder, looked at anew for every request: a new wheel needs no restart."""

    folder: Path

    def wheels(self) -> list[Wheel]:
        """All wheels by project and version. Links are left out: the folder's own files are what is published."""
        if not self.folder.is_dir():
            return []
        found = []
        for path in self.folder.iterdir():
            if not WHEEL_NAME.fullmatch(path.name) or path.is_symlink() or not path.is_file():
                continue
            try:
                project, version, _, _ = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            found.append(Wheel(project, version, path))
        return sorted(found, key=lambda wheel: (wheel.project, wheel.version, wheel.name))

    def named(self, name: str) -> Wheel | None:
        """The wheel with exactly this file name."""
        return next((wheel for wheel in self.wheels() if wheel.name == name), None)

    def newest(self, project: str = PALIO) -> Wheel | None:
        """The newest version of a project."""
        return max((wheel for wheel in self.wheels() if wheel.project == project), key=lambda wheel: wheel.version, default=None)


def _index_page(title: str, links: list[tuple[str, str]]) -> HTMLResponse:
    """A page of PEP 503: one anchor a line. `links`: (address, text)."""
    anchors = "\n".join(f'<a href="{escape(address)}">{escape(text)}</a><br>' for address, text in links)
    return HTMLResponse(
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>\n'
        f"<body>\n{anchors}\n</body></html>\n"
    )


def package_routes(folder: WheelFolder) -> APIRouter:
    """`/packages/simple/…` and the files."""
    router = APIRouter(prefix="/packages")

    @router.api_route("/simple/", methods=GET_AND_HEAD)
    def projects() -> HTMLResponse:
        names = sorted({wheel.project for wheel in folder.wheels()})
        return _index_page("Simple index", [(f"/packages/simple/{name}/", name) for name in names])

    @router.api_route("/simple/{project}/", methods=GET_AND_HEAD)
    def files(project: str) -> Response:
        canonical = canonicalize_name(project)
        wheels = [wheel for wheel in folder.wheels() if wheel.project == canonical]
        if not wheels:
            raise HTTPException(404, "There is no package of this name here.")
        links = [(f"/packages/{wheel.name}#sha256={wheel.digest}", wheel.name) for wheel in wheels]
        return _index_page(f"Links for {canonical}", links)

    @router.api_route("/palio.whl", methods=GET_AND_HEAD)
    def newest() -> RedirectResponse:
        wheel = folder.newest()
        if wheel is None:
            raise HTTPException(404, "The palio package is not here yet. Ask whoever runs this platform.")
        return RedirectResponse(f"/packages/{wheel.name}", status_code=307)

    @router.api_route("/{name}", methods=GET_AND_HEAD)
    def file(name: str) -> FileResponse:
        wheel = folder.named(name)
        if wheel is None:
            raise HTTPException(404, "There is no such file here.")
        return FileResponse(wheel.path, media_type="application/octet-stream", filename=wheel.name)

    return router
