"""How a submission came to stand where it stands: everything that the ledger says about it, in order, with what caused what.

Read from the ledger itself, stream by stream: the problem's version, the challenge, the submission, its runs, its scores, its credits.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from services.leaderboard.submissions import Submission
from shared.events import (
    ChallengeClosed,
    ChallengeCreated,
    ChallengeOpened,
    CodeOpened,
    CreditsGiven,
    Event,
    FoldRequested,
    FoldsShared,
    FoldTrained,
    Outcome,
    PreparationRequested,
    ProblemPreparationFailed,
    ProblemPrepared,
    ProblemPublished,
    ProblemVersionAdopted,
    RecordedEvent,
    RequestReturned,
    RescoringFailed,
    RunReproduced,
    RunRequested,
    RunRescored,
    ScoreComputed,
    ScoringFailed,
    ScoringRequested,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.ledger import known_events, read_stream
from shared.runs import Asked, run_asked_for

_RETURNED = {
    "stopping": "the trainer was stopped and handed it back",
    "redelivered": "the trainer that had it died",
    "machine_failed": "the trainer's machine failed",
    "lost": "nobody had it any more",
    "overdue": "the trainer that had it took longer than the time limits allow",
}
_MOMENTS: dict[type[Event], str] = {
    ChallengeOpened: "the challenge opened",
    CodeOpened: "the teams' code became readable",
    ChallengeClosed: "the challenge closed",
}


@dataclass(frozen=True)
class Entry:
    """A fact: where it stands in the ledger, what it says, and the digests of what it is about, by name."""

    recorded: RecordedEvent
    #: Position of the fact that caused it, if that is among these.
    caused_by: int | None
    words: str
    digests: dict[str, str]


def history_of(connection: Connection, submission: Submission, *, shows_reason: bool) -> list[Entry]:
    """The facts about a submission, by position. `shows_reason`: with the words of its own failure."""
    facts = _facts(connection, submission.submission_id)
    positions = {recorded.id: recorded.position for recorded, _ in facts}
    return [
        Entry(
            recorded,
            positions.get(recorded.metadata.causation_id) if recorded.metadata.causation_id else None,
            _words(event, shows_reason=shows_reason),
            {name: digest for name, digest in _digests(event).items() if digest},
        )
        for recorded, event in facts
    ]


def _facts(connection: Connection, submission_id: UUID) -> list[tuple[RecordedEvent, Event]]:
    uploaded = read_stream(connection, f"submission-{submission_id}")
    first = uploaded[0].event() if uploaded else None
    if not isinstance(first, SubmissionUploaded):
        return []
    problem = [
        (recorded, event)
        for recorded, event in known_events(read_stream(connection, f"problem-{first.problem_id}"))
        if getattr(event, "version", None) == first.problem_version
    ]
    runs = [run_asked_for(event) for _, event in known_events(uploaded) if isinstance(event, Asked)]
    streams = [
        f"challenge-{first.challenge_id}",
        f"credits-{submission_id}",
        *(f"{kind}-{run_id}" for run_id in runs for kind in ("run", "score")),
    ]
    others = [fact for stream in streams for fact in known_events(read_stream(connection, stream))]
    return sorted([*problem, *known_events(uploaded), *others], key=lambda fact: fact[0].position)


def _words(event: Event, *, shows_reason: bool) -> str:  # noqa: PLR0911  (one for each type)
    match event:
        case ProblemPublished():
            return f"version {event.version} of problem {event.problem_id} was published"
        case ProblemPrepared():
            return f"it was prepared: {event.n_folds} folds, Python {event.python_version}"
        case ProblemPreparationFailed():
            return f"it could not be prepared: {event.outcome}"
        case ChallengeCreated():
            return f"challenge {event.challenge_id} was opened on version {event.problem_version} of problem {event.problem_id}"
        case SubmissionUploaded():
            return f"{event.name} was handed in: {', '.join(event.files)}"
        case ScoreComputed():
            return f"it was scored on {len(event.bagged)} metrics"
        case ScoringFailed():
            return f"it could not be scored: {event.outcome}"
        case RunRequested() | RunRescored() | RunReproduced() | RescoringFailed() | ProblemVersionAdopted() | CreditsGiven():
            return _words_of_another(event)
        case SubmissionWithdrawn():
            return "its team withdrew it"
        case _:
            return _words_of_run(event, shows_reason=shows_reason)


def _words_of_another(
    event: RunRequested | RunRescored | RunReproduced | RescoringFailed | ProblemVersionAdopted | CreditsGiven,
) -> str:
    match event:
        case RunRequested():
            why = f": {event.reason}" if event.reason else ""
            what = "to be trained again" if event.purpose == "retrain" else "to be reproduced"
            return f"it was asked {what}, as run {event.number}, by version {event.problem_version} of the problem{why}"
        case RunRescored():
            return f"its predictions were scored by version {event.problem_version} of the problem"
        case RunReproduced():
            return "its reproduction was scored"
        case RescoringFailed():
            return f"its predictions could not be scored by version {event.problem_version} of the problem: {event.outcome}"
        case ProblemVersionAdopted():
            return f"the challenge moved on to version {event.problem_version} of the problem"
        case CreditsGiven():
            given = ", ".join(f"{each.percent} % to {each.submission_id}" for each in event.credits)
            return f"its team gave credit: {given}" if given else "its team took its credits back"


def _words_of_run(event: Event, *, shows_reason: bool) -> str:  # noqa: PLR0911  (one for each type)
    match event:
        case TrainingRequested():
            return f"its training was requested from pool {event.pool}" + _again(event.attempt)
        case FoldRequested():
            return f"fold {event.fold} was requested from pool {event.pool}" + _again(event.attempt)
        case TrainingStarted():
            what = "its training" if event.fold is None else f"fold {event.fold}"
            seed = f", seed {event.conditions.seed}, Python {event.conditions.python_version}" if event.conditions else ""
            return f"a trainer began {what}{seed}"
        case FoldsShared():
            return f"folds {', '.join(map(str, event.folds))} were left to all trainers of the pool"
        case FoldTrained():
            return f"fold {event.fold} was trained, in {event.usage.train_time_s:.2f} s"
        case RequestReturned():
            return f"it came back: {_RETURNED[event.reason]}"
        case TrainingFinished():
            why = f": {event.reason}" if shows_reason and event.reason else ""
            return "all folds are trained" if event.outcome is Outcome.TRAINED else f"it ended as {event.outcome}{why}"
        case PreparationRequested() | ScoringRequested():
            return f"the scorer was asked again, attempt {event.attempt}"
        case _:
            return _MOMENTS.get(type(event), type(event).__name__)


def _again(attempt: int) -> str:
    return "" if attempt == 1 else f", attempt {attempt}"


def _digests(event: Event) -> dict[str, str | None]:
    match event:
        case ProblemPublished():
            # Metrics are code of the kit, and of the packages that its environment locks.
            return {"kit": event.kit_digest, "private data": event.private_digest}
        case ProblemPrepared():
            prepared = {"data and folds": event.manifest_digest, "labels": event.labels_digest}
            return {**prepared, "environment": event.environment_digest, "lock": event.lock_digest}
        case SubmissionUploaded():
            return {"code": event.bundle_digest}
        case FoldTrained():
            return {"predictions": event.predictions_digest, "log": event.log_digest}
        case TrainingFinished():
            return {"traceback": event.traceback_digest}
        case _:
            return {}
