"""The way out: one tar, written member by member to the descriptor that the sandbox gave for results."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable
from typing import Any, BinaryIO

_VARIABLE = "PALIO_RESULTS_FD"
_READY = b"R"


class Channel:
    """Results on their way out of the sandbox. Not for several threads."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    @classmethod
    def from_environment(cls) -> Channel:
        """The channel of this sandbox. The submission does not need to know its number."""
        return cls(os.fdopen(int(os.environ.pop(_VARIABLE)), "wb", buffering=0))

    def announce(self) -> None:
        """Say that everything before the job is done."""
        self._target.write(_READY)

    def send(self, name: str, content: bytes) -> None:
        """Send a file."""
        self.send_parts(name, len(content), [content])

    def send_json(self, name: str, content: Any) -> None:
        """Send a JSON file; NaN and infinity are an error, since JSON has none."""
        self.send(name, json.dumps(content, allow_nan=False).encode())

    def send_parts(self, name: str, size: int, parts: Iterable[bytes | memoryview]) -> None:
        """Send a file of `size` bytes in pieces, so that it is never in memory twice."""
        header = tarfile.TarInfo(name)
        header.size = size
        # GNU's form has no limit of 8 GiB for a file.
        self._write(header.tobuf(format=tarfile.GNU_FORMAT))
        for part in parts:
            self._write(part)
        self._write(bytes(-size % tarfile.BLOCKSIZE))

    def close(self) -> None:
        """Write the end of the archive: without it, what was sent is not taken."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._target.close()

    def _write(self, data: bytes | memoryview) -> None:
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        while view:
            # A pipe takes what fits.
            view = view[self._target.write(view) :]
