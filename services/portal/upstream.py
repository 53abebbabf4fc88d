"""How the portal asks the APIs, and what it makes of their answers.

Every call carries the visitor's own token, so a page shows exactly what this visitor may see. Answers are read into the
models of `services.portal.views`; an answer that does not fit them is an upstream fault, never a half-rendered page.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

PROBLEM_TYPE = "application/problem+json"
POSITION_HEADER = "Palio-Position"

Model = TypeVar("Model", bound=BaseModel)


class UpstreamDownError(Exception):
    """A service gave no answer, or one that makes no sense. The visitor can only come back later."""

    def __init__(self, service: str, cause: str) -> None:
        super().__init__(f"{service}: {cause}")
        self.service = service
        self.cause = cause


class RefusedError(Exception):
    """A service understood and said no: an RFC 9457 problem document."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail


@dataclass(frozen=True)
class Visitor:
    """What a request to an API carries of the person who looks at the page."""

    #: The visitor's API token, or None.
    token: str | None = None
    #: Ledger position of the visitor's last write, or None: a read waits until it is shown.
    position: int | None = None

    def headers(self) -> dict[str, str]:
        """The request headers that say who asks, and what they wrote last."""
        headers = {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.position is not None:
            headers[POSITION_HEADER] = str(self.position)
        return headers


@dataclass(frozen=True)
class Api:
    """One service's HTTP API. `name` is how an error page calls it."""

    name: str
    client: httpx.AsyncClient = field(repr=False)

    async def read(self, path: str, model: type[Model], visitor: Visitor, params: Mapping[str, str] | None = None) -> Model:
        """GET a JSON document. Raises `RefusedError` and `UpstreamDownError`."""
        response = await self._ask("GET", path, headers=visitor.headers(), params=params)
        return self._parse(response, model)

    async def write(self, path: str, body: Mapping[str, str], model: type[Model], visitor: Visitor) -> tuple[Model, int | None]:
        """POST a JSON document; the answer, and the ledger position that it stands at. Raises like `read`.

        Not retried: a POST that timed out may have been carried out.
        """
        response = await self._ask("POST", path, headers=visitor.headers(), json=dict(body))
        return self._parse(response, model), _position(response)

    async def delete(self, path: str, visitor: Visitor) -> int | None:
        """DELETE something; the ledger position that it stands at. Raises like `read`."""
        return _position(await self._ask("DELETE", path, headers=visitor.headers()))

    async def document(self, path: str) -> dict[str, Any]:
        """GET a JSON object that the portal hands on. Raises like `read`."""
        response = await self._ask("GET", path)
        try:
            document = response.json()
        except ValueError as error:
            raise UpstreamDownError(self.name, f"{path} is not JSON") from error
        if not isinstance(document, dict):
            raise UpstreamDownError(self.name, f"{path} is no JSON object")
        return document

    async def stream(self, path: str, visitor: Visitor) -> AsyncIterator[bytes]:
        """GET something that may be large, without holding it: its chunks, to be read to the end.

        Raises like `read`; the chunks raise `UpstreamDownError` if the service goes away in between.
        """
        request = self.client.build_request("GET", path, headers=visitor.headers())
        try:
            response = await self.client.send(request, stream=True)
            if response.is_error:
                await response.aread()
        except httpx.HTTPError as error:
            raise UpstreamDownError(self.name, repr(error)) from error
        self._refuse(response)
        return self._chunks(response)

    async def _chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async with aclosing(response):
                async for chunk in response.aiter_bytes():
                    yield chunk
        except httpx.HTTPError as error:
            raise UpstreamDownError(self.name, repr(error)) from error

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise UpstreamDownError(self.name, repr(error)) from error
        self._refuse(response)
        return response

    def _refuse(self, response: httpx.Response) -> None:
        """Raise for any answer but a success. A server error is a refusal only where it says so in a problem document."""
        if response.is_success:
            return
        content_type = response.headers.get("content-type", "").partition(";")[0].strip()
        if content_type == PROBLEM_TYPE:
            try:
                problem = response.json()
                raise RefusedError(response.status_code, str(problem["title"]), str(problem.get("detail") or ""))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UpstreamDownError(self.name, f"unreadable problem document, status {response.status_code}") from error
        raise UpstreamDownError(self.name, f"status {response.status_code}")

    def _parse(self, response: httpx.Response, model: type[Model]) -> Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            path = response.request.url.path
            raise UpstreamDownError(self.name, f"{path} is not what this release of the portal expects: {error}") from error


def _position(response: httpx.Response) -> int | None:
    position = response.headers.get(POSITION_HEADER, "")
    return int(position) if position.isdecimal() else None


@dataclass(frozen=True)
class Upstream:
    """The two APIs."""

    reads: Api
    writes: Api

    @classmethod
    def at(cls, leaderboard_url: str, ingest_url: str) -> "Upstream":
        """Clients for both. 10 s is above the longest wait for a projection (5 s), so a slow read is told as that service tells it."""
        timeout = httpx.Timeout(10.0, connect=2.0)
        return cls(
            reads=Api("leaderboard", httpx.AsyncClient(base_url=leaderboard_url, timeout=timeout)),
            writes=Api("ingest", httpx.AsyncClient(base_url=ingest_url, timeout=timeout)),
        )

    async def close(self) -> None:
        """Give the connections back. A second call does nothing."""
        await self.reads.client.aclose()
        await self.writes.client.aclose()
