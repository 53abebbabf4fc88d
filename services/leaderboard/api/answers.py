"""How what is read is answered: as JSON or CSV, with a tag by which a reader learns that nothing has changed."""

import hashlib
from http import HTTPStatus

from fastapi import Request, Response

JSON, CSV = "application/json", "text/csv; charset=utf-8"


def wants_csv(request: Request, named: str | None) -> bool:
    """Whether CSV is wanted: by the format that the query names, else by `Accept`."""
    return named == "csv" or (named is None and request.headers.get("accept", "").startswith("text/csv"))


def tagged(request: Request, content: str, media_type: str, position: int | None = None) -> Response:
    """An answer with an `ETag` of its content; 304 without it for who has that already."""
    body = content.encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept, Authorization"}
    if position is not None:
        headers["Palio-Position"] = str(position)
    # A proxy that compressed it may have made the tag a weak one.
    if tag in {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
