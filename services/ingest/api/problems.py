"""Routes: publishing problems."""

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Response, UploadFile
from pydantic import BaseModel

from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.challenges import SLUG
from services.ingest.problems import ProblemUpload, publish_problem
from shared.vault import Principal


class Published(BaseModel):
    """A version of a problem, on its way to being prepared."""

    id: str
    version: int


def make_router(context: Context) -> APIRouter:
    """The routes of problems."""
    router = APIRouter(tags=["problems"])

    @router.post("/v1/problems", status_code=HTTPStatus.CREATED)
    def create_problem(  # noqa: PLR0913, PLR0917  (each is a field of the form)
        response: Response,
        organiser: Annotated[Principal, Depends(context.administrator)],
        id: Annotated[str, Form(pattern=SLUG)],  # noqa: A002  (the field's name on the wire)
        kit: Annotated[UploadFile, File(description="The kit's contents as tar or zip: what participants may have.")],
        private: Annotated[UploadFile | None, File(description="The private data as tar or zip: `data/…`")] = None,
        requirements: Annotated[str | None, Form(description="Requirements that replace the kit's own.")] = None,
        python_version: Annotated[
            str | None, Form(description="Default: what the kit allows, else the platform's own.", examples=["3.11"])
        ] = None,
        as_of: Annotated[date | None, Form(description="Resolve the environment as the index was that day.")] = None,
        label_free_folders: Annotated[list[str] | None, Form()] = None,
    ) -> Published:
        """Publish a problem, or its next version. Preparing it takes minutes; `GET /v1/problems/{id}` tells how it goes."""
        upload = ProblemUpload(
            problem_id=id,
            kit=kit.file,
            private=private.file if private else None,
            requirements=requirements,
            python_version=python_version,
            as_of=as_of.isoformat() if as_of else None,
            label_free_folders=tuple(label_free_folders or ()),
        )
        published = publish_problem(
            context.engine, context.store, upload, organiser.user_id, context.settings.max_kit_unpacked_bytes
        )
        response.headers[POSITION_HEADER] = str(published.position)
        return Published(id=published.problem_id, version=published.version)

    return router
