"""Routes: submissions, their logs, and their lives as they go on."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import AwareDatetime, BaseModel

from services.leaderboard.api.context import Context, Message, event_stream
from services.leaderboard.challenges import Challenge, find_challenge
from services.leaderboard.history import history_of
from services.leaderboard.live import Waiting
from services.leaderboard.log_budget import log_budget_left
from services.leaderboard.submissions import FINAL_STATES, FoldLog, Submission, find_submission, fold_logs, submissions_of
from shared.artefacts import Bucket, MissingArtefactError, Store, log_key, traceback_key
from shared.events import Metric, ScoreComputed
from shared.final_scores import final_scores
from shared.http import Problem
from shared.http.identity import unauthorised
from shared.visibility import Viewer, sees_log, sees_private_scores, sees_traceback

#: A log is cut by the trainer at its challenge's limit, which is no higher than this.
MAX_TEXT_BYTES = 64 * 2**20 + 2**16
#: While it has a place in the queue.
WAITING_STATES = frozenset({"uploaded", "queued"})
#: Stands where a team's budget ends.
LOG_SPENT = "\n(not shown from here on: your team has seen as much of its logs as this challenge shows one team)\n"
LOST_TEXT = "(not shown: the object store does not hold what the trainer said it had stored)\n"


class SubmissionSummary(BaseModel):
    """A submission in a list."""

    id: str
    name: str
    challenge: str
    state: str
    outcome: str | None
    submitted_at: AwareDatetime


class SubmissionList(BaseModel):
    """Submissions, newest first."""

    items: list[SubmissionSummary]


class BaggedScores(BaseModel):
    """A metric after bagging. `test` is null until its time."""

    valid: float | None
    test: float | None


class SplitScores(BaseModel):
    """A metric on one fold. `test` is null until its time."""

    train: float | None
    valid: float | None
    test: float | None


class FoldScores(BaseModel):
    """One fold's scores, by metric."""

    fold: int
    scores: dict[str, SplitScores]


class Scores(BaseModel):
    """A submission's scores, by metric and by fold."""

    bagged: dict[str, BaggedScores]
    folds: list[FoldScores]


class QueuePosition(BaseModel):
    """Where a submission that waits stands among all of its pool; 1 is next. The wait is null while nobody can tell.

    `paused`: nothing of its pool begins until an administrator resumes it; `reason` is what they said.
    """

    position: int
    estimated_wait_s: float | None
    paused: bool
    reason: str | None


class SubmissionDetail(SubmissionSummary):
    """A submission. Its team and administrators see `reason` and `traceback`; test scores are null until their time."""

    team: str
    folds_done: int
    n_folds: int | None
    queue: QueuePosition | None
    reason: str | None
    traceback: str | None
    scores: Scores | None
    metrics: list[Metric]
    train_time_s: float | None
    valid_time_s: float | None
    test_time_s: float | None
    peak_memory_bytes: int | None
    finished_at: AwareDatetime | None
    files: list[str]
    #: The number of the run that this shows; all are at `/v1/submissions/{id}/runs`.
    run: int
    owned: bool
    #: Whether the person asking may read its log.
    shows_log: bool


class HistoryEntry(BaseModel):
    """A fact about a submission, in the ledger. `caused_by`: the position of the fact that it followed from."""

    position: int
    recorded_at: AwareDatetime
    type: str
    schema_version: int
    stream: str
    version: int
    caused_by: int | None
    words: str
    #: SHA-256 in hexadecimal digits, by what it is the digest of.
    digests: dict[str, str]


class SubmissionHistory(BaseModel):
    """Everything that the ledger says about a submission, in order."""

    submission: SubmissionSummary
    metrics: list[Metric]
    entries: list[HistoryEntry]


def make_router(context: Context) -> APIRouter:
    """The routes of submissions."""
    router = APIRouter(tags=["submissions"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get("/v1/submissions")
    def mine(viewer: viewers, challenge: str | None = None) -> SubmissionList:
        """The submissions of the teams of the person asking."""
        if viewer.user_id is None:
            raise unauthorised("This lists your own submissions. Log in: palio login, or POST /v1/tokens.")
        with context.engine.connect() as connection:
            found = submissions_of(connection, viewer.team_ids, challenge)
        return SubmissionList(items=[SubmissionSummary(**_summary(each)) for each in found])

    @router.get("/v1/submissions/{submission_id}")
    def submission(submission_id: UUID, viewer: viewers) -> SubmissionDetail:
        """One submission."""
        return read_submission(context, submission_id, viewer)

    @router.get("/v1/submissions/{submission_id}/history")
    def history(submission_id: UUID, viewer: viewers) -> SubmissionHistory:
        """How it came to stand where it stands: each fact with its position, time, cause, and the digests of what it is about."""
        return read_history(context, submission_id, viewer)

    @router.get("/v1/submissions/{submission_id}/log", response_class=PlainTextResponse)
    def log(submission_id: UUID, viewer: viewers) -> PlainTextResponse:
        """What the submission printed, fold by fold, for its team and administrators."""
        text = read_log(context, submission_id, viewer)
        # As text and nothing else: what a stranger printed is never a page.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        return PlainTextResponse(text or "Nothing yet: logs are here once a fold has run.\n", headers=headers)

    @router.get("/v1/submissions/{submission_id}/stream", response_class=StreamingResponse)
    async def stream(submission_id: UUID, viewer: viewers) -> StreamingResponse:
        """Server-sent events: the submission now (`event: submission`) and on each change, until its state is final.

        For its team, in a challenge that shows logs, also what it prints while it runs: `event: log`, with fold and text.
        """
        first = await asyncio.to_thread(read_submission, context, submission_id, viewer)
        return event_stream(follow_submission(context, submission_id, viewer, shows_lines=first.shows_log))

    return router


def read_submission(context: Context, submission_id: UUID, viewer: Viewer) -> SubmissionDetail:
    """A submission as this viewer may see it. Raises a 404 `Problem`."""
    return _detail(context, load_submission(context, submission_id), viewer)


def read_history(context: Context, submission_id: UUID, viewer: Viewer) -> SubmissionHistory:
    """A submission's facts. Raises a 404 `Problem`."""
    found = load_submission(context, submission_id)
    with context.engine.connect() as connection:
        challenge = find_challenge(connection, found.challenge_id)
        shows_reason = sees_traceback(viewer, found.team_id, challenge.log_policy)
        entries = history_of(connection, found, shows_reason=shows_reason)
    return SubmissionHistory(
        submission=SubmissionSummary(**_summary(found)),
        metrics=list(challenge.problem.metrics),
        entries=[
            HistoryEntry(
                position=each.recorded.position,
                recorded_at=each.recorded.recorded_at,
                type=each.recorded.type,
                schema_version=each.recorded.schema_version,
                stream=each.recorded.stream,
                version=each.recorded.version,
                caused_by=each.caused_by,
                words=each.words,
                digests=each.digests,
            )
            for each in entries
        ],
    )


async def follow_submission(
    context: Context, submission_id: UUID, viewer: Viewer, *, shows_lines: bool
) -> AsyncIterator[Message]:
    """The submission now, and after each change, until its state is final; between, the lines that it prints."""
    sent: object = None
    if shows_lines and not viewer.administrator:
        shows_lines = await asyncio.to_thread(_has_log_budget, context, submission_id)
    pool = (await asyncio.to_thread(load_submission, context, submission_id)).pool
    moves = context.changes.follow()
    with context.live.watching(pool, submission_id) as watcher:
        waiting = {"ledger": asyncio.ensure_future(anext(moves)), "live": asyncio.ensure_future(watcher.wait())}
        try:
            while True:
                await asyncio.wait(waiting.values(), return_when=asyncio.FIRST_COMPLETED)
                if waiting["live"].done():
                    waiting["live"] = asyncio.ensure_future(watcher.wait())
                if waiting["ledger"].done():
                    waiting["ledger"] = asyncio.ensure_future(anext(moves))
                for lines in watcher.take() if shows_lines else ():
                    yield Message("log", lines.model_dump_json(include={"fold", "text"}))
                found = await asyncio.to_thread(load_submission, context, submission_id)
                now = (found.changed_at_position, _waiting(context, found))
                if now != sent:
                    sent = now
                    yield Message("submission", (await asyncio.to_thread(_detail, context, found, viewer)).model_dump_json())
                if found.state in FINAL_STATES:
                    return
        finally:
            for each in waiting.values():
                each.cancel()


def read_log(context: Context, submission_id: UUID, viewer: Viewer) -> str:
    """What a submission printed, fold by fold; empty before the first. Raises `Problem`: 404, or 403 for logs that are not shown."""
    with context.engine.connect() as connection:
        found = _existing(find_submission(connection, submission_id))
        challenge = find_challenge(connection, found.challenge_id)
        if not sees_log(viewer, found.team_id, challenge.log_policy):
            raise _no_log(viewer, found)
        run_id = found.run_id
        logs = fold_logs(connection, run_id) if run_id else []
        shows_live = viewer.administrator or log_budget_left(connection, found.challenge_id, found.team_id) > 0
    if run_id is None:
        return ""
    parts = [_stored_log(context, found.pool, run_id, log, cut=not viewer.administrator) for log in logs]
    done = {log.fold for log in logs}
    # What is stored is the whole of it; until then there is what was heard, while the team has any budget left.
    heard = {
        fold: context.live.text(found.pool, submission_id, fold)
        for fold in range(found.n_folds or 0)
        if fold not in done and shows_live
    }
    how = "ended before it was done" if found.state in FINAL_STATES else "still running"
    parts += [f"--- fold {fold}, {how} ---\n{text}" for fold, text in heard.items() if text]
    return "\n".join(parts)


def _stored_log(context: Context, pool: str, run_id: UUID, log: FoldLog, *, cut: bool) -> str:
    text = stored_text(context.store, log_key(pool, run_id, log.fold, log.digest), log.shown_bytes if cut else None)
    return f"--- fold {log.fold} ---\n{text}"


def _no_log(viewer: Viewer, found: Submission) -> Problem:
    if found.team_id in viewer.team_ids:
        detail = "This challenge does not show what submissions print."
        return Problem(HTTPStatus.FORBIDDEN, "logs-not-shown", detail)
    return Problem(HTTPStatus.FORBIDDEN, "not-yours", "Only the submission's team and administrators may read its log.")


def _has_log_budget(context: Context, submission_id: UUID) -> bool:
    with context.engine.connect() as connection:
        found = _existing(find_submission(connection, submission_id))
        return log_budget_left(connection, found.challenge_id, found.team_id) > 0


def load_submission(context: Context, submission_id: UUID) -> Submission:
    """A submission. Raises a 404 `Problem`."""
    with context.engine.connect() as connection:
        return _existing(find_submission(connection, submission_id))


def _existing(submission: Submission | None) -> Submission:
    if submission is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-submission", "There is no submission of this id.")
    return submission


def _detail(context: Context, found: Submission, viewer: Viewer) -> SubmissionDetail:
    with context.engine.connect() as connection:
        challenge = find_challenge(connection, found.challenge_id)
        shows_log = sees_log(viewer, found.team_id, challenge.log_policy)
    own = sees_traceback(viewer, found.team_id, challenge.log_policy)
    private = sees_private_scores(viewer, challenge.phase)
    traceback = None
    if own and found.traceback_digest is not None and found.run_id is not None:
        traceback = stored_text(context.store, traceback_key(found.pool, found.run_id, found.traceback_digest))
    return SubmissionDetail(
        **_summary(found),
        team=found.team,
        folds_done=found.folds_done,
        n_folds=found.n_folds,
        queue=queue_position(context, found),
        reason=found.reason if own else None,
        traceback=traceback,
        scores=_scores(found.score, challenge, private=private) if found.score else None,
        metrics=list(challenge.problem.metrics),
        train_time_s=found.train_time_s,
        valid_time_s=found.valid_time_s,
        test_time_s=found.test_time_s if private else None,
        peak_memory_bytes=found.peak_memory_bytes,
        finished_at=found.finished_at,
        files=list(found.files),
        run=found.run_number,
        owned=found.team_id in viewer.team_ids,
        shows_log=shows_log,
    )


def _waiting(context: Context, found: Submission) -> Waiting | None:
    waiting = context.live.place(found.submission_id)
    if found.state in WAITING_STATES or (found.state == "training" and waiting and waiting.is_paused):
        # One that had begun waits again when its pool is drained.
        return waiting
    return None


def queue_position(context: Context, found: Submission) -> QueuePosition | None:
    """Where a submission stands in the queue, if it waits."""
    waiting = _waiting(context, found)
    if waiting is None:
        return None
    place = waiting.place
    return QueuePosition(
        position=place.position,
        estimated_wait_s=place.estimated_wait_s,
        paused=waiting.is_paused,
        reason=waiting.reason or None if waiting.is_paused else None,
    )


def _summary(submission: Submission) -> dict[str, object]:
    return {
        "id": str(submission.submission_id),
        "name": submission.name,
        "challenge": submission.challenge_id,
        "state": submission.state,
        "outcome": submission.outcome,
        "submitted_at": submission.submitted_at,
    }


def _scores(score: ScoreComputed, challenge: Challenge, *, private: bool) -> Scores:
    kind = challenge.problem.score_kind
    valid, test = final_scores(score, "valid", kind), final_scores(score, "test", kind)
    folds: dict[int, dict[str, SplitScores]] = {}
    for each in score.folds:
        folds.setdefault(each.fold, {})[each.metric] = SplitScores(
            train=each.train, valid=each.valid, test=each.test if private else None
        )
    return Scores(
        bagged={name: BaggedScores(valid=value, test=test.get(name) if private else None) for name, value in valid.items()},
        folds=[FoldScores(fold=fold, scores=scores) for fold, scores in sorted(folds.items())],
    )


def stored_text(store: Store, key: str, shown_bytes: int | None = None) -> str:
    """What a trainer stored, or the first `shown_bytes` of it, saying so.

    It may have lied about the size as well: no more of it is held in memory than `MAX_TEXT_BYTES`.
    """
    content = bytearray()
    try:
        with store.stream(Bucket.RUNS, key) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > MAX_TEXT_BYTES:
                    return f"(not shown: it is larger than {MAX_TEXT_BYTES:,} bytes)\n"
    except MissingArtefactError:
        return LOST_TEXT
    if hashlib.sha256(content).hexdigest() != key.rpartition("/")[2]:
        return LOST_TEXT
    if shown_bytes is not None and len(content) > shown_bytes:
        return content[:shown_bytes].decode(errors="replace") + LOG_SPENT
    return content.decode(errors="replace")
