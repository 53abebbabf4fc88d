"""`/v1/openapi.json`: the merged document of the running services, kept for a short while."""

import asyncio
import time
from http import HTTPStatus

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from services.portal.openapi import OWN_PATH, Document, merge
from services.portal.upstream import RefusedError, Upstream, UpstreamDownError
from shared.http import Problem

GET_AND_HEAD = ["GET", "HEAD"]
#: Long enough that a crowd costs one request, short enough that a deployed release shows at once to a person.
CACHED_S = 30.0


class PublishedDocument:
    """The merged document of the running services, asked for at most every `CACHED_S` seconds."""

    def __init__(self, upstream: Upstream, origin: str) -> None:
        self._upstream = upstream
        self._origin = origin
        self._merged: Document | None = None
        self._fetched_at_s = float("-inf")
        # One asks, the others wait for its answer: an expired cache must not turn a crowd into a crowd of requests.
        self._asking = asyncio.Lock()

    async def get(self) -> Document:
        """The document; the last one while a service is down. Raises `UpstreamDownError` if there never was one."""
        async with self._asking:
            if self._merged is not None and time.monotonic() - self._fetched_at_s < CACHED_S:
                return self._merged
            try:
                ingest, leaderboard = await asyncio.gather(
                    self._upstream.writes.document(OWN_PATH), self._upstream.reads.document(OWN_PATH)
                )
                merged = merge({"ingest": ingest, "leaderboard": leaderboard}, title="Palio", version="1", origin=self._origin)
            except (UpstreamDownError, RefusedError):
                if self._merged is None:
                    raise
                return self._merged
            self._merged = merged
            self._fetched_at_s = time.monotonic()
            return merged


def openapi_routes(published: PublishedDocument) -> APIRouter:
    """The route. Its readers are programs, so its errors are problem documents, not pages."""
    router = APIRouter()

    @router.api_route(OWN_PATH, methods=GET_AND_HEAD)
    async def openapi() -> JSONResponse:
        try:
            return JSONResponse(await published.get())
        except (UpstreamDownError, RefusedError):
            detail = "The description of the API is put together from two services, one of which does not answer. Try again."
            return Problem(HTTPStatus.BAD_GATEWAY, "upstream-down", detail).response()

    return router
