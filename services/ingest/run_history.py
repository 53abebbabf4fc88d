"""What was asked for of a submission, how its runs ended, and the next run that may be asked for."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from shared.events import (
    Event,
    Metadata,
    Outcome,
    RunReproduced,
    RunRequested,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
)
from shared.http import Problem
from shared.ledger import ConflictError, NewEvent, append, derived_id, known_events, read_stream
from shared.runs import Asked, is_reproduction, run_asked_for, run_id_of
from shared.vault import Principal

#: Two that ask at once: the one that lost looks again. More than a few in a row is a defect.
MAX_CONFLICTS = 20
Result = TypeVar("Result")


def decided(engine: Engine, decide: Callable[[Connection], Result]) -> Result:
    """What is decided on streams as they are, in one transaction; once more if they moved on meanwhile.

    Raises what `decide` raises, and a 503 `Problem` if others kept being first.
    """
    for _ in range(MAX_CONFLICTS):
        try:
            with engine.begin() as connection:
                return decide(connection)
        except ConflictError:
            continue
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "The submission changes all the time. Try again in a moment.")


class RunHistory:
    """A submission's runs, by number: 1 is the upload's."""

    def __init__(self, connection: Connection, submission_id: UUID) -> None:
        """Raises a 404 `Problem` for an unknown submission."""
        self._connection = connection
        recorded = read_stream(connection, f"submission-{submission_id}")
        self._version = len(recorded)
        asked = [(each.position, event) for each, event in known_events(recorded) if isinstance(event, Asked)]
        if not asked or not isinstance(asked[0][1], SubmissionUploaded):
            raise Problem(HTTPStatus.NOT_FOUND, "unknown-submission", "There is no submission of this id.")
        self.upload = asked[0][1]
        self._asked = asked

    def __len__(self) -> int:
        return len(self._asked)

    def asked(self, number: int) -> Asked:
        """What asked for a run."""
        return self._asked[number - 1][1]

    def position(self, number: int) -> int:
        """Where in the ledger it was asked for."""
        return self._asked[number - 1][0]

    @property
    def standing(self) -> list[int]:
        """The runs that may stand on boards, the newest last: all but reproductions."""
        return [number for number in range(1, len(self) + 1) if not is_reproduction(self.asked(number))]

    def is_trained(self, number: int) -> bool:
        """Whether there are predictions of it."""
        return any(isinstance(each, TrainingFinished) and each.outcome is Outcome.TRAINED for each in self._events("run", number))

    def end_of(self, number: int) -> Event | None:
        """How a run ended: with a score, or what there is in its place; None while it is under way."""
        for event in (*self._events("run", number), *self._events("score", number)):
            if isinstance(event, TrainingFinished) and event.outcome is Outcome.TRAINED:
                continue
            if isinstance(event, TrainingFinished | SubmissionWithdrawn | ScoreComputed | RunReproduced | ScoringFailed):
                return event
        return None

    def ask(self, problem_version: int, of_run: int | None, reason: str, person: Principal) -> int:
        """Ask for the next run: to take the place of the one before, or to be compared with `of_run`. Returns the position.

        The caller's last statement. Raises `ConflictError` if somebody else has asked meanwhile.
        """
        number, upload = len(self) + 1, self.upload
        requested = RunRequested(
            run_id=run_id_of(upload.submission_id, number),
            submission_id=upload.submission_id,
            challenge_id=upload.challenge_id,
            team_id=upload.team_id,
            number=number,
            purpose="retrain" if of_run is None else "reproduce",
            of_run_id=None if of_run is None else self._run_id(of_run),
            problem_id=upload.problem_id,
            problem_version=problem_version,
            pool=upload.pool,
            limits=upload.limits,
            user_id=person.user_id,
            reason=reason,
        )
        metadata = Metadata(correlation_id=str(upload.submission_id), actor_id=person.user_id)
        new = NewEvent(requested, metadata, self._version, id=derived_id(requested.run_id, "asked"))
        return append(self._connection, [new]).position

    def reproductions_of(self, number: int) -> list[int]:
        """The runs that are compared with it."""
        run_id = self._run_id(number)
        return [
            other
            for other, (_, event) in enumerate(self._asked, start=1)
            if isinstance(event, RunRequested) and event.of_run_id == run_id
        ]

    def _run_id(self, number: int) -> UUID:
        return run_asked_for(self.asked(number))

    def _events(self, kind: str, number: int) -> list[Event]:
        return [event for _, event in known_events(read_stream(self._connection, f"{kind}-{self._run_id(number)}"))]
