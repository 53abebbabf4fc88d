"""How requests get to the server and answers back: one connection, one user.

Reads name the position of the last write of this client, so that they see it, and are repeated while the server asks for that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Callable

import httpx

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.client.errors import ApiError, unreachable

#: Called while a body arrives, with the bytes so far and the bytes in all, if known.
Progress = Callable[[int, "int | None"], None]

POSITION = "Palio-Position"
SERVICE_UNAVAILABLE = 503
FIRST_ERROR = 400
#: How often a read is repeated that the server asks to repeat, and the longest wait between, in seconds.
READ_ATTEMPTS = 10
LONGEST_WAIT_S = 5.0


class Transport:
    """Reads and writes of one server. Raises ApiError for an answer that is an error, and ServerUnreachableError when none comes."""

    def __init__(self, server: str, token: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.server = server.rstrip("/")
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(base_url=self.server, headers=headers, timeout=timeout_s, follow_redirects=True)
        #: Where the ledger stood after this client's last write.
        self._position: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def download(self, path: str, into: BinaryIO, progress: Progress | None = None) -> None:
        """Write what is at this path into a file, piece by piece."""
        try:
            with self._http.stream("GET", path, headers={"Accept": "*/*"}) as response:
                if response.status_code >= FIRST_ERROR:
                    response.read()
                    raise ApiError.from_response(response)
                length = response.headers.get("Content-Length")
                for piece in response.iter_bytes():
                    into.write(piece)
                    if progress is not None:
                        progress(response.num_bytes_downloaded, int(length) if length else None)
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error

    def _read(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                response = self._send("GET", path, params=params, headers={**self._position_header(), **(headers or {})})
            except httpx.HTTPError as error:
                raise unreachable(self.server, error) from error
            # What was written is on its way to where it is read; the server says when to look again.
            wait_s = _retry_after_s(response)
            if wait_s is None or attempt == READ_ATTEMPTS:
                break
            time.sleep(wait_s)
        if response.status_code >= FIRST_ERROR:
            raise ApiError.from_response(response)
        return response

    def _write(self, path: str, **content: Any) -> httpx.Response:
        return self._written(self._reached(lambda: self._send("POST", path, **content)))

    def _reached(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            return send()
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error

    def _written(self, response: httpx.Response) -> httpx.Response:
        if response.status_code >= FIRST_ERROR:
            raise ApiError.from_response(response)
        self._position = response.headers.get(POSITION, self._position)
        return response

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        return self._http.request(method, path, **content)

    def _position_header(self) -> dict[str, str]:
        return {} if self._position is None else {POSITION: self._position}


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait before asking again, if the server asks for that."""
    asked = response.headers.get("Retry-After", "")
    if response.status_code != SERVICE_UNAVAILABLE or not asked.isdigit():
        return None
    return min(float(asked), LONGEST_WAIT_S)
