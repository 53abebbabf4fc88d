"""A package index on loopback that holds what a test puts into it, or answers as a broken one would."""

import base64
import hashlib
import http.server
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self


class PackageIndex:
    """Serves the wheels of a folder, at `url`. Use it as a context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: Instead of an answer, one of these codes; the list is used up from its front.
        self.refusals: list[int] = []
        self.always: int | None = None
        #: Cleared, nobody gets any answer until it is set.
        self.answers = threading.Event()
        self.answers.set()
        #: What was asked for, in order.
        self.asked: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="package index", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        self.answers.wait()
        if self.always is not None or self.refusals:
            return self.always or self.refusals.pop(0), b""
        head, _, name = path.strip("/").partition("/")
        if head == "files":
            return 200, (self._folder / name).read_bytes()
        wheels = [
            wheel for wheel in self._folder.glob("*.whl") if wheel.name.split("-", 1)[0].replace("_", "-") == name.strip("/")
        ]
        links = (f'<a href="/files/{wheel.name}#sha256={_sha256(wheel)}">{wheel.name}</a>' for wheel in sorted(wheels))
        return (200, "\n".join(links).encode()) if wheels else (404, b"")

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, body = index.answer(self.path)
                self.send_response(code)
                self.send_header("Content-Type", "application/octet-stream" if "/files/" in self.path else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name that the library looks for

            def log_message(self, *_arguments: object) -> None:
                """Nothing: the list `asked` tells."""

        return Handler


@contextmanager
def package_index(folder: Path) -> Iterator[PackageIndex]:
    """An index that serves the wheels of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with PackageIndex(folder) as index:
        yield index


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel that installs these files and nothing else."""
    about = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={_record_digest(content)},{len(content)}\n" for path, content in files.items())
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {**files, f"{about}/RECORD": f"{record}{about}/RECORD,,\n".encode()}.items():
            archive.writestr(path, content)
    return wheel


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _record_digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
