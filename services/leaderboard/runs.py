"""The runs of a submission: what asked for each, how it stands, and how a reproduction compares with the run that it repeats.

Read from the ledger itself, as a submission's history is: too rarely asked for to be kept in tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.leaderboard.spread import spread_of
from shared.events import (
    Event,
    Outcome,
    RecordedEvent,
    RunConditions,
    RunReproduced,
    RunRequested,
    ScoreComputed,
    ScoreEvent,
    ScoringFailed,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)
from shared.final_scores import ScoreKind, final_scores, fold_scores
from shared.ledger import known_events, read_stream
from shared.prepared_problems import find_prepared
from shared.runs import Asked, run_asked_for

Fact = tuple[RecordedEvent, Event]


@dataclass(frozen=True)
class Compared:
    """One metric of a run and of its reproduction, on validation rows. `standard_error`: of the first over its folds.

    `within_noise`: they differ by no more than that; None where that is not known.
    """

    metric: str
    before: float | None
    after: float | None
    standard_error: float | None
    within_noise: bool | None

    @property
    def difference(self) -> float | None:
        """After less before."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Comparison:
    """`same_predictions`: of each fold, whether they are the same bit for bit."""

    same_predictions: tuple[bool, ...]
    scores: tuple[Compared, ...]

    @property
    def repeats(self) -> bool:
        """Whether all predictions are the same bit for bit."""
        return bool(self.same_predictions) and all(self.same_predictions)

    @property
    def within_noise(self) -> bool | None:
        """Whether every metric is; None where that is not known of all."""
        marks = {each.within_noise for each in self.scores}
        return False if False in marks else None if None in marks or not marks else True


@dataclass(frozen=True)
class Run:
    """A run, as the ledger says. `scores`: by the version that it was trained on, on validation rows."""

    number: int
    run_id: UUID
    asked: Asked
    requested_at: datetime
    facts: Sequence[Fact] = field(repr=False)
    score_kind: ScoreKind

    @property
    def of_run_id(self) -> UUID | None:
        """The run that it is compared with."""
        return self.asked.of_run_id if isinstance(self.asked, RunRequested) else None

    @property
    def purpose(self) -> str:
        """`first`, `retrain` or `reproduce`."""
        return self.asked.purpose if isinstance(self.asked, RunRequested) else "first"

    @property
    def state(self) -> str:
        """How far it has come."""
        state = "requested"
        for _, event in self.facts:
            match event:
                case ScoreComputed() | RunReproduced():
                    return "scored"
                case SubmissionWithdrawn():
                    return "withdrawn"
                case ScoringFailed():
                    return "failed"
                case TrainingFinished():
                    state = "trained" if event.outcome is Outcome.TRAINED else "failed"
                case TrainingStarted() if state != "trained":
                    state = "training"
                case TrainingRequested() if state == "requested":
                    state = "queued"
        return state

    @property
    def end(self) -> Fact | None:
        """What ended it; None while it is under way."""
        ends = [
            fact
            for fact in self.facts
            if isinstance(fact[1], ScoreComputed | RunReproduced | ScoringFailed | SubmissionWithdrawn)
            or (isinstance(fact[1], TrainingFinished) and fact[1].outcome is not Outcome.TRAINED)
        ]
        return ends[0] if ends else None

    @property
    def request(self) -> TrainingRequested | None:
        """What its trainers were given; None while its turn has not come."""
        return next((event for _, event in self.facts if isinstance(event, TrainingRequested)), None)

    @property
    def conditions(self) -> RunConditions | None:
        """What was fixed when it was begun last."""
        begun = [event.conditions for _, event in self.facts if isinstance(event, TrainingStarted)]
        return begun[-1] if begun else None

    @property
    def predictions(self) -> tuple[str, ...]:
        """The digest of each fold's predictions; none before all are there."""
        found = (event.predictions_digests for _, event in self.facts if isinstance(event, TrainingFinished))
        return next(found, ())

    @property
    def score(self) -> ScoreEvent | None:
        """By the version of the problem that it was trained on."""
        return next((event for _, event in self.facts if isinstance(event, ScoreComputed | RunReproduced)), None)

    @property
    def scores(self) -> dict[str, float | None] | None:
        """A number a metric, as boards show it."""
        return None if self.score is None else final_scores(self.score, "valid", self.score_kind)

    def compared_with(self, before: "Run") -> Comparison | None:
        """How it compares with the run that it repeats; None until both are scored."""
        if self.score is None or before.score is None or self.scores is None or before.scores is None:
            return None
        same = tuple(one == other for one, other in zip(before.predictions, self.predictions, strict=True))
        return Comparison(same, tuple(self._compared(before.score, name, value) for name, value in before.scores.items()))

    def _compared(self, before: ScoreEvent, metric: str, value: float | None) -> Compared:
        after = (self.scores or {}).get(metric)
        error = spread_of(fold_scores(before, metric, "valid")).standard_error
        known = value is not None and after is not None and error is not None
        return Compared(metric, value, after, error, abs(after - value) <= error if known else None)  # type: ignore[operator]


def runs_of(connection: Connection, submission_id: UUID) -> list[Run]:
    """Every run of a submission, the first one first."""
    asked = [
        (recorded, event)
        for recorded, event in known_events(read_stream(connection, f"submission-{submission_id}"))
        if isinstance(event, Asked)
    ]
    kinds: dict[int, ScoreKind] = {}
    for version in {event.problem_version for _, event in asked}:
        prepared = find_prepared(connection, asked[0][1].problem_id, version)
        kinds[version] = prepared.score_kind if prepared else "bag"
    return [
        Run(
            number=number,
            run_id=run_asked_for(event),
            asked=event,
            requested_at=recorded.recorded_at,
            facts=[
                fact
                for kind in ("run", "score")
                for fact in known_events(read_stream(connection, f"{kind}-{run_asked_for(event)}"))
            ],
            score_kind=kinds[event.problem_version],
        )
        for number, (recorded, event) in enumerate(asked, start=1)
    ]
