"""How what is read is answered: as JSON or CSV, with a tag by which a reader learns that nothing has changed."""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Request, Response

JSON, CSV = "application/json", "text/csv; charset=utf-8"


def wants_csv(request: Request, named: str | None) -> bool:
    """Whether CSV is wanted: by the format that the query names, else by `Accept`."""
    return named == "csv" or (named is None and request.headers.get("accept", "").startswith("text/csv"))


@dataclass(frozen=True)
class Answer:
    """What is sent, with a tag of its content. `position`: of the ledger, where it has one."""

    body: bytes
    media_type: str
    tag: str
    position: int | None

    @classmethod
    def of(cls, content: str, media_type: str, position: int | None = None) -> "Answer":
        """With its tag worked out."""
        body = content.encode()
        return cls(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', position)

    def response(self, request: Request) -> Response:
        """The answer; 304 without it for who has that already."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept, Authorization"}
        if self.position is not None:
            headers["Palio-Position"] = str(self.position)
        # A proxy that compressed it may have made the tag a weak one.
        if self.tag in {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(self.body, media_type=self.media_type, headers=headers)


def tagged(request: Request, content: str, media_type: str, position: int | None = None) -> Response:
    """An answer that is not kept."""
    return Answer.of(content, media_type, position).response(request)
