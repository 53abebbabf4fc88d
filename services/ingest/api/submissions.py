"""Routes: submitting."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, File, Form, Header, Response, UploadFile
from pydantic import BaseModel

from services.ingest.accounts import account_of
from services.ingest.api.context import POSITION_HEADER, Context
from services.ingest.submissions import NewSubmission
from services.ingest.withdrawals import withdraw
from shared.artefacts.archives import ArchiveError, ArchiveLimits, read_archive
from shared.http import Problem
from shared.vault import Principal

#: A submission is a handful of source files: an archive of more is a mistake or an attack.
ARCHIVE_LIMITS = ArchiveLimits(max_bytes=20 * 2**20, max_files=100)
#: Packed it is read into memory: no larger than what it may hold, with a header for each file.
MAX_ARCHIVE_BYTES = ARCHIVE_LIMITS.max_bytes + ARCHIVE_LIMITS.max_files * 2**12


class Submission(BaseModel):
    """A submission that was taken in."""

    id: str
    name: str
    challenge: str
    state: Literal["uploaded"] = "uploaded"


def make_router(context: Context) -> APIRouter:
    """The routes of submissions."""
    router = APIRouter(tags=["submissions"])

    @router.post("/v1/challenges/{challenge_id}/submissions", status_code=HTTPStatus.CREATED)
    def submit(
        challenge_id: str,
        response: Response,
        person: Annotated[Principal, Depends(context.person)],
        name: Annotated[str, Form(examples=["random forest 2"])],
        files: Annotated[list[UploadFile] | None, File(description="The submission's files, one part each.")] = None,
        archive: Annotated[UploadFile | None, File(description="Or all of them in one tar or zip.")] = None,
        idempotency_key: Annotated[
            str | None, Header(max_length=200, description="Makes a repeated request the same submission.")
        ] = None,
    ) -> Submission:
        """Submit code. Answers when it is durable; follow it at `GET /v1/submissions/{id}/stream`."""
        contents = _contents(files or [], archive, context.settings.max_source_bytes)
        with context.engine.connect() as connection:
            team_id = account_of(connection, person).team_id
        accepted = context.submissions.submit(
            NewSubmission(challenge_id, name, contents, idempotency_key), person.user_id, team_id
        )
        response.headers[POSITION_HEADER] = str(accepted.position)
        return Submission(id=str(accepted.submission_id), name=accepted.name, challenge=challenge_id)

    @router.delete("/v1/submissions/{submission_id}", status_code=HTTPStatus.NO_CONTENT)
    def take_back(submission_id: UUID, response: Response, person: Annotated[Principal, Depends(context.person)]) -> None:
        """Withdraw a submission whose training is not over: from the queue at once, from a trainer within moments.

        It is not trained again, is never on a board, and its name is free. Withdrawing twice is withdrawing once.
        """
        with context.engine.connect() as connection:
            team_id = account_of(connection, person).team_id
        position = withdraw(context.engine, submission_id, person.user_id, team_id, is_administrator=person.administrator)
        response.headers[POSITION_HEADER] = str(position)

    return router


def _contents(files: Sequence[UploadFile], archive: UploadFile | None, max_source_bytes: int) -> dict[str, bytes]:
    if bool(files) == (archive is not None):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-files", "Send either `files`, one part each, or one `archive`.")
    if archive is not None:
        packed = archive.file.read(MAX_ARCHIVE_BYTES + 1)
        if len(packed) > MAX_ARCHIVE_BYTES:
            detail = f"The archive has more than {MAX_ARCHIVE_BYTES:,} bytes. A submission is a few source files."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
        try:
            return read_archive(packed, ARCHIVE_LIMITS)
        except ArchiveError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-archive", f"The archive can't be used: {error}") from error
    if len(files) > ARCHIVE_LIMITS.max_files:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-files", f"A submission has at most {ARCHIVE_LIMITS.max_files} files."
        )
    contents: dict[str, bytes] = {}
    for file in files:
        name = file.filename or ""
        if name in contents:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-files", f"{name} was sent twice.")
        # One byte more than fits tells that it does not, without reading the rest.
        contents[name] = file.file.read(max_source_bytes + 1)
    return contents
