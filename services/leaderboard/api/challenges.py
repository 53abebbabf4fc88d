"""Routes: challenges, what participants download, and how a problem's preparation went."""

import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection

from services.leaderboard.api.context import Context
from services.leaderboard.challenges import Challenge, find_challenge, find_problem, has_joined, list_challenges
from services.leaderboard.zip_entries import zip_entry
from shared.artefacts import Bucket, Store, content_key, details_key
from shared.artefacts.archives import ArchiveLimits, unpack
from shared.events import FoldLimits, Metric, ProblemPrepared
from shared.http import Problem
from shared.visibility import Viewer, sees_problem, sees_starting_kit

KIT_LIMITS = ArchiveLimits(max_bytes=2 * 2**30)
ZIP_CHUNK = 1 << 20


class Closing(BaseModel):
    """Where the ledger says that a challenge has closed; the hash seals that entry and every one before it."""

    model_config = ConfigDict(from_attributes=True)

    position: int
    hash: str
    recorded_at: AwareDatetime


class ChallengeSummary(BaseModel):
    """A challenge in a list. `closed` is null until its closing is recorded."""

    id: str
    title: str
    problem: str
    phase: str
    opens_at: AwareDatetime
    code_opens_at: AwareDatetime
    closes_at: AwareDatetime
    teams: int
    submissions: int
    closed: Closing | None


class ChallengeList(BaseModel):
    """Challenges, those that close last first."""

    items: list[ChallengeSummary]


class ChallengeDetail(ChallengeSummary):
    """A challenge, with what a participant must know. `joined` is null for nobody."""

    metrics: list[Metric]
    n_folds: int
    elements: list[str]
    score_kind: str
    has_test_set: bool
    joined: bool | None
    limits: FoldLimits


class Environment(BaseModel):
    """What the server trains in: a Python version and its locked, hashed requirements."""

    python_version: str
    requirements: str
    digest: str


class ProblemState(BaseModel):
    """How the newest version of a problem stands."""

    id: str
    version: int
    state: str
    outcome: str | None
    reason: str | None
    detail: str | None
    title: str | None
    n_folds: int | None
    metrics: list[Metric]
    elements: list[str]


def make_router(context: Context) -> APIRouter:
    """The routes of challenges and problems."""
    router = APIRouter(tags=["challenges"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get("/v1/challenges")
    def challenges() -> ChallengeList:
        """All challenges."""
        with context.engine.connect() as connection:
            return ChallengeList(items=[ChallengeSummary(**_summary(each)) for each in list_challenges(connection)])

    @router.get("/v1/challenges/{challenge_id}")
    def challenge(challenge_id: str, viewer: viewers) -> ChallengeDetail:
        """One challenge."""
        with context.engine.connect() as connection:
            found = find_challenge(connection, challenge_id)
            joined = has_joined(connection, challenge_id, viewer.team_ids) if viewer.user_id else None
        problem = found.problem
        return ChallengeDetail(
            **_summary(found),
            metrics=list(problem.metrics),
            n_folds=problem.n_folds,
            elements=list(problem.elements),
            score_kind=problem.score_kind,
            has_test_set=problem.has_test_set,
            joined=joined,
            limits=found.limits,
        )

    @router.get("/v1/challenges/{challenge_id}/starting-kit", response_class=StreamingResponse)
    def starting_kit(challenge_id: str, viewer: viewers) -> StreamingResponse:
        """The kit as participants may have it: code, public data, starter. A zip."""
        with context.engine.connect() as connection:
            found = _downloadable(connection, challenge_id, viewer)
        disposition = f'attachment; filename="{challenge_id}.zip"'
        headers = {"Content-Disposition": disposition}
        return StreamingResponse(_zip_of(context.store, found.kit_digest), media_type="application/zip", headers=headers)

    @router.get("/v1/challenges/{challenge_id}/environment")
    def environment(challenge_id: str, viewer: viewers) -> Environment:
        """The environment that submissions are trained in."""
        with context.engine.connect() as connection:
            problem = _downloadable(connection, challenge_id, viewer).problem
        lock = context.store.get_bytes(Bucket.PREPARED, content_key(problem.lock_digest))
        return Environment(python_version=problem.python_version, requirements=lock.decode(), digest=problem.environment_digest)

    @router.get("/v1/problems/{problem_id}")
    def problem(problem_id: str, viewer: viewers) -> ProblemState:
        """How a problem's newest version stands, for its organiser and administrators."""
        with context.engine.connect() as connection:
            found = find_problem(connection, problem_id)
        if found is None or not sees_problem(viewer, found.organiser_id):
            detail = f"There is no problem {problem_id}, or it is another organiser's."
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-problem", detail)
        detail_text = None
        if found.detail_digest is not None:
            detail_text = context.store.get_bytes(Bucket.PRIVATE, details_key(found.detail_digest)).decode(errors="replace")
        prepared: ProblemPrepared | None = found.prepared
        return ProblemState(
            id=found.problem_id,
            version=found.version,
            state=found.state,
            outcome=found.outcome,
            reason=found.reason,
            detail=detail_text,
            title=prepared.title if prepared else None,
            n_folds=prepared.n_folds if prepared else None,
            metrics=list(prepared.metrics) if prepared else [],
            elements=list(prepared.elements) if prepared else [],
        )

    return router


def _summary(challenge: Challenge) -> dict[str, object]:
    return {
        "id": challenge.challenge_id,
        "title": challenge.title,
        "problem": challenge.problem.problem_id,
        "phase": challenge.phase.value,
        "opens_at": challenge.opens_at,
        "code_opens_at": challenge.code_opens_at,
        "closes_at": challenge.closes_at,
        "teams": challenge.n_teams,
        "submissions": challenge.n_submissions,
        "closed": Closing.model_validate(challenge.closed) if challenge.closed else None,
    }


def _downloadable(connection: Connection, challenge_id: str, viewer: Viewer) -> Challenge:
    challenge = find_challenge(connection, challenge_id)
    if not sees_starting_kit(viewer, challenge.phase):
        detail = (
            f"{challenge.title} opens at {challenge.opens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC; the starting kit is here then."
        )
        raise Problem(HTTPStatus.CONFLICT, "challenge-not-open", detail)
    return challenge


def _zip_of(store: Store, kit_digest: str) -> Iterator[bytes]:
    """The kit's archive as a zip, made in a temporary folder and streamed."""
    with tempfile.TemporaryDirectory(prefix="palio-starting-kit-") as folder:
        archive, unpacked = Path(folder) / "kit.tar", Path(folder) / "kit"
        store.get_file(Bucket.KITS, content_key(kit_digest), archive)
        unpack(archive, unpacked, KIT_LIMITS)
        zipped = Path(folder) / "kit.zip"
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as target:
            for path in sorted(each for each in unpacked.rglob("*") if each.is_file()):
                entry = zip_entry(path.relative_to(unpacked).as_posix())
                with path.open("rb") as source, target.open(entry, "w") as file:
                    while chunk := source.read(ZIP_CHUNK):
                        file.write(chunk)
        with zipped.open("rb") as file:
            while chunk := file.read(ZIP_CHUNK):
                yield chunk
