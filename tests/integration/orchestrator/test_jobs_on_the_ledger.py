"""Jobs: from the ledger into the tables, from there in fair order into requests, until the run is over."""

import asyncio
from collections.abc import Callable
from typing import Literal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from services.orchestrator.jobs import mean_durations, tracked_jobs
from services.orchestrator.lost import LostWork
from services.orchestrator.pools import Drain, drains
from services.orchestrator.projection import HANDLERS
from services.orchestrator.release import release
from services.orchestrator.run import decide
from services.orchestrator.runs import decide_and_append
from services.orchestrator.trainers import Trainers
from shared.bus.reports import AnyReport, FoldTrainedReport, ReturnedReport, SlowReport, StartedReport
from shared.bus.telemetry import Heartbeat, Held
from shared.events import (
    Event,
    FoldRequested,
    FoldUsage,
    Metadata,
    PoolDrained,
    PoolEvent,
    PoolPaused,
    PoolResumed,
    ProblemPrepared,
    RecordedEvent,
    RequestReturned,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingRequested,
)
from shared.ledger import NewEvent, Projection, append, read_after
from shared.runs import run_id_of
from shared.telemetry import Readiness
from tests.support.goldens import golden

METADATA = Metadata(correlation_id="a test")
POOL = "default"
N_FOLDS = 4
USAGE = FoldUsage(train_time_s=1, valid_time_s=0, test_time_s=0, peak_memory_bytes=1)


class Desk:
    """One orchestrator's hands on a real ledger, and what people and trainers do."""

    def __init__(self, engine_of: Callable[[str], Engine]) -> None:
        self.engine = engine_of("orchestrator")
        self._ingest = engine_of("ingest")
        self.projection = Projection("orchestrator", self.engine, HANDLERS, Readiness())
        prepared = golden("ProblemPrepared")
        assert isinstance(prepared, ProblemPrepared)
        with engine_of("scorer").begin() as connection:
            append(connection, [NewEvent(prepared.model_copy(update={"n_folds": N_FOLDS}), METADATA)])
        self._append(golden("ChallengeCreated"))

    def upload(self, team: UUID) -> UUID:
        """A submission of a team; returns its id."""
        submission = golden("SubmissionUploaded")
        assert isinstance(submission, SubmissionUploaded)
        new = submission.model_copy(update={"submission_id": uuid4(), "team_id": team})
        self._append(new)
        return new.submission_id

    def withdraw(self, submission: UUID) -> None:
        """Its team takes it back."""
        event = golden("SubmissionWithdrawn")
        assert isinstance(event, SubmissionWithdrawn)
        self._append(event.model_copy(update={"submission_id": submission, "run_id": run_id_of(submission)}))

    def decide(self, kind: type[PoolEvent]) -> int:
        """An administrator decides on the pool; returns the position."""
        self._append(kind(pool=POOL, user_id=uuid4(), reason="a test"))
        return self.events()[-1].position

    def drains(self) -> list[Drain]:
        """What is to come back."""
        self.projection.catch_up()
        with self.engine.connect() as connection:
            return drains(connection)

    def release(self, slots: int) -> list[Event]:
        """Take in what happened, and request; returns what was requested, in order."""
        before = len(self.events())
        self.projection.catch_up()
        release(self.engine, POOL, slots)
        self.projection.catch_up()
        return [each.event() for each in self.events()[before:]]

    def report(self, report: AnyReport) -> None:
        """A trainer says it."""
        decide_and_append(self.engine, report.run_id, lambda run: decide(run, report, POOL, 3))

    def events(self) -> list[RecordedEvent]:
        """The whole ledger."""
        with self.engine.connect() as connection:
            return read_after(connection, 0, 10_000)

    def jobs(self) -> set[tuple[UUID, int | None]]:
        """What is not done, by submission and fold."""
        self.projection.catch_up()
        with self.engine.connect() as connection:
            return {(each.job.submission_id, each.job.fold) for each in tracked_jobs(connection, POOL)}

    def _append(self, event: Event) -> None:
        with self._ingest.begin() as connection:
            append(connection, [NewEvent(event, METADATA)])


@pytest.fixture
def desk(engine_of: Callable[[str], Engine]) -> Desk:
    return Desk(engine_of)


def about(submission: UUID, attempt: int = 1) -> dict[str, object]:
    return {"run_id": run_id_of(submission), "submission_id": submission, "attempt": attempt, "execution_id": uuid4()}


def started(submission: UUID, fold: int | None = None) -> StartedReport:
    return StartedReport.model_validate({**about(submission), "trainer": "t", "shared_fold": fold})


def trained(submission: UUID, fold: int) -> FoldTrainedReport:
    more = {"fold": fold, "predictions_digest": f"{fold:064x}", "log_digest": "0" * 64, "usage": USAGE}
    return FoldTrainedReport.model_validate({**about(submission), **more})


def slow(submission: UUID) -> SlowReport:
    return SlowReport.model_validate(about(submission))


def returned(submission: UUID, fold: int | None, reason: Literal["redelivered", "stopping"]) -> ReturnedReport:
    return ReturnedReport.model_validate({**about(submission), "shared_fold": fold, "reason": reason, "words": ""})


def test_only_as_many_are_requested_as_slots_can_use_and_another_teams_first_overtakes(desk: Desk) -> None:
    one, other = uuid4(), uuid4()
    mine = [desk.upload(one) for _ in range(5)]
    requested = desk.release(slots=1)
    assert [each.submission_id for each in requested if isinstance(each, TrainingRequested)] == mine[:2]
    late = desk.upload(other)
    assert desk.release(slots=1) == []
    for fold in range(N_FOLDS):
        desk.report(trained(mine[0], fold))
    requested = desk.release(slots=1)
    assert [each.submission_id for each in requested if isinstance(each, TrainingRequested)] == [late]


def test_what_is_withdrawn_while_it_waits_is_never_requested(desk: Desk) -> None:
    first, second, third = (desk.upload(uuid4()) for _ in range(3))
    desk.release(slots=1)
    desk.withdraw(third)
    desk.withdraw(first)
    assert desk.jobs() == {(second, None)}
    assert desk.release(slots=1) == []


def test_what_is_withdrawn_right_before_it_is_requested_is_not_requested(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.projection.catch_up()
    desk.withdraw(submission)
    assert release(desk.engine, POOL, 1) == 0
    assert desk.release(slots=1) == []
    assert desk.jobs() == set()


def test_slow_folds_are_requested_one_by_one_and_the_last_one_finishes_the_run(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(submission))
    desk.report(trained(submission, 0))
    desk.report(slow(submission))
    assert desk.jobs() == {(submission, 1), (submission, 2), (submission, 3)}
    requested = [each.fold for each in desk.release(slots=1) if isinstance(each, FoldRequested)]
    assert requested == [1, 2]
    for fold in (1, 2):
        desk.report(started(submission, fold))
        desk.report(trained(submission, fold))
    [last] = desk.release(slots=1)
    assert isinstance(last, FoldRequested)
    assert last.fold == 3
    desk.report(trained(submission, 3))
    assert desk.jobs() == set()
    assert [each.type for each in desk.events()][-1] == "TrainingFinished"
    with desk.engine.connect() as connection:
        assert set(mean_durations(connection)) == {("iris", False), ("iris", True)}


def test_the_first_request_is_a_job_for_as_long_as_its_trainer_goes_on_with_fold_0(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(submission))
    desk.report(slow(submission))
    assert desk.jobs() == {(submission, None), *((submission, fold) for fold in range(1, N_FOLDS))}
    desk.report(trained(submission, 0))
    assert desk.jobs() == {(submission, fold) for fold in range(1, N_FOLDS)}


def test_fold_0_becomes_a_job_of_its_own_if_its_trainer_died_with_it(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(submission))
    desk.report(slow(submission))
    desk.report(returned(submission, None, "redelivered"))
    assert desk.jobs() == {(submission, fold) for fold in range(N_FOLDS)}


def test_a_request_that_comes_back_waits_and_is_requested_as_the_next_attempt(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(returned(submission, None, "stopping"))
    [again] = desk.release(slots=1)
    assert isinstance(again, TrainingRequested)
    assert again.attempt == 2


@pytest.mark.parametrize("stop", [PoolPaused, PoolDrained])
def test_of_a_pool_that_is_stopped_nothing_more_is_requested_until_it_is_resumed(desk: Desk, stop: type[PoolEvent]) -> None:
    submissions = [desk.upload(uuid4()) for _ in range(3)]
    desk.release(slots=1)
    desk.decide(stop)
    for fold in range(N_FOLDS):
        desk.report(trained(submissions[0], fold))
    desk.report(returned(submissions[1], None, "stopping"))
    assert desk.release(slots=1) == []
    desk.decide(PoolResumed)
    assert len(desk.release(slots=1)) == 2


def test_a_drain_is_commanded_until_everything_has_come_back_and_not_of_what_is_requested_later(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    assert desk.drains() == []
    drained_at = desk.decide(PoolDrained)
    [drain] = desk.drains()
    assert (drain.pool, drain.through) == (POOL, drained_at)
    desk.report(started(submission))
    [again] = desk.drains()
    assert again.through > drained_at
    # Resumed while it drains: the command ends, and a request that follows lies beyond what any command named.
    resumed_at = desk.decide(PoolResumed)
    assert desk.drains() == []
    desk.report(returned(submission, None, "stopping"))
    desk.release(slots=1)
    assert desk.events()[-1].type == "TrainingRequested"
    assert desk.events()[-1].position > resumed_at > again.through
    desk.decide(PoolDrained)
    desk.report(ReturnedReport.model_validate({**about(submission, 2), "shared_fold": None, "reason": "stopping", "words": ""}))
    assert desk.drains() == []


def test_two_orchestrators_of_which_one_is_behind_command_only_what_both_may(desk: Desk) -> None:
    desk.upload(uuid4())
    desk.release(slots=1)
    desk.decide(PoolDrained)
    behind = desk.drains()
    resumed_at = desk.decide(PoolResumed)
    # Its tables do not know of the resumption: what it commands ends before that.
    with desk.engine.connect() as connection:
        assert drains(connection) == behind
    assert behind[0].through < resumed_at


def lost_work(desk: Desk, trainers: Trainers, ready: int = 0) -> LostWork:
    async def ready_messages(_pool: str) -> int:
        return ready

    return LostWork(desk.engine, trainers, ready_messages, max_attempts=3, lost_after_s=0.05, overdue_after_s=60)


async def look_for_a_while(lost: LostWork, trainers: Trainers, beat: Heartbeat | None) -> int:
    """Look as often as it takes to be sure."""
    found = 0
    for _ in range(10):
        if beat is not None:
            await trainers.hear(beat, f"trainer-{POOL}")
        found += await lost.look()
        await asyncio.sleep(0.02)
    return found


def heartbeat(*held: Held, every_s: float = 0.01) -> Heartbeat:
    return Heartbeat(trainer="t", slots=1, busy_slots=0, is_draining=False, every_s=every_s, held=held)


async def test_a_request_that_neither_queue_nor_trainer_holds_is_made_again(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    trainers = Trainers()
    assert await look_for_a_while(lost_work(desk, trainers), trainers, heartbeat()) == 1
    [again] = desk.release(slots=1)
    assert isinstance(again, TrainingRequested)
    assert (again.submission_id, again.attempt) == (submission, 2)


@pytest.mark.parametrize("reason", ["held", "ready", "no trainer"])
async def test_what_somebody_holds_or_nobody_could_have_taken_is_not_lost(desk: Desk, reason: str) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    trainers = Trainers()
    held = heartbeat(Held(run_id=run_id_of(submission), fold=None)) if reason == "held" else heartbeat()
    lost = lost_work(desk, trainers, ready=1 if reason == "ready" else 0)
    assert await look_for_a_while(lost, trainers, None if reason == "no trainer" else held) == 0


async def test_nothing_is_lost_before_its_trainer_had_time_to_say_that_it_holds_it(desk: Desk) -> None:
    desk.upload(uuid4())
    desk.release(slots=1)
    trainers = Trainers()
    assert await look_for_a_while(lost_work(desk, trainers), trainers, heartbeat(every_s=5)) == 0


async def test_a_request_that_a_later_one_of_its_queue_has_overtaken_is_lost_however_much_is_ready(desk: Desk) -> None:
    lost = desk.upload(uuid4())
    desk.release(slots=1)
    later = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(later))
    desk.projection.catch_up()
    trainers = Trainers()
    beat = heartbeat(Held(run_id=run_id_of(later), fold=None))
    assert await look_for_a_while(lost_work(desk, trainers, ready=5), trainers, beat) == 1
    requested = [each for each in desk.release(slots=2) if isinstance(each, TrainingRequested)]
    assert [(each.submission_id, each.attempt) for each in requested] == [(lost, 2)]


async def test_what_came_to_a_trainer_before_a_later_one_and_is_held_is_not_lost(desk: Desk) -> None:
    slow_to_begin = desk.upload(uuid4())
    desk.release(slots=1)
    later = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(later))
    desk.projection.catch_up()
    trainers = Trainers()
    beat = heartbeat(*(Held(run_id=run_id_of(each), fold=None) for each in (slow_to_begin, later)))
    assert await look_for_a_while(lost_work(desk, trainers, ready=5), trainers, beat) == 0


def test_a_start_that_is_told_late_is_not_that_of_the_request_made_since(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(returned(submission, None, "redelivered"))
    assert [each.attempt for each in desk.release(slots=1) if isinstance(each, TrainingRequested)][-1] == 2
    desk.report(started(submission))
    desk.projection.catch_up()
    with desk.engine.connect() as connection:
        [job] = tracked_jobs(connection, POOL)
    assert (job.attempt, job.started_at) == (2, None)


async def test_what_was_requested_together_overtakes_nothing(desk: Desk) -> None:
    _, second = desk.upload(uuid4()), desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(second))
    desk.projection.catch_up()
    trainers = Trainers()
    beat = heartbeat(Held(run_id=run_id_of(second), fold=None))
    assert await look_for_a_while(lost_work(desk, trainers, ready=5), trainers, beat) == 0


def make_older(desk: Desk, seconds: float) -> None:
    """As if whatever is under way had been begun so much earlier."""
    desk.projection.catch_up()
    with desk.engine.begin() as connection:
        statement = text("UPDATE jobs SET started_at = started_at - make_interval(secs => :seconds)")
        connection.execute(statement, {"seconds": seconds})


async def test_an_attempt_beyond_its_time_limits_is_taken_from_a_trainer_that_says_it_holds_it(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    first = started(submission)
    desk.report(first)
    trainers = Trainers()
    holds = heartbeat(Held(run_id=run_id_of(submission), fold=None))
    await trainers.hear(holds, f"trainer-{POOL}")
    lost = lost_work(desk, trainers, ready=1)
    # All folds may take 300 s each, one after the other, and there is a minute of room.
    make_older(desk, N_FOLDS * 300)
    assert await lost.look() == 0
    make_older(desk, 61)
    assert await lost.look() == 1
    assert await lost.look() == 0
    [again] = desk.release(slots=1)
    assert isinstance(again, TrainingRequested)
    assert again.attempt == 2
    before = len(desk.events())
    late = {"execution_id": first.execution_id}
    desk.report(trained(submission, 0).model_copy(update=late))
    assert len(desk.events()) == before, "what its trainer says now is late"
    second = started(submission).model_copy(update={"attempt": 2})
    desk.report(second)
    for fold in range(N_FOLDS):
        desk.report(trained(submission, fold).model_copy(update={"attempt": 2, "execution_id": second.execution_id}))
    assert desk.events()[-1].type == "TrainingFinished"


async def test_a_fold_on_its_own_may_take_the_time_of_one_fold(desk: Desk) -> None:
    submission = desk.upload(uuid4())
    desk.release(slots=1)
    desk.report(started(submission))
    desk.report(trained(submission, 0))
    desk.report(slow(submission))
    desk.release(slots=1)
    desk.report(started(submission, 1))
    make_older(desk, 361)
    assert await lost_work(desk, Trainers(), ready=1).look() == 1
    returned_again = desk.events()[-1].event()
    assert isinstance(returned_again, RequestReturned)
    assert (returned_again.fold, returned_again.reason) == (1, "overdue")


TABLES = ("jobs", "runs", "turns", "durations", "challenges", "challenge_times", "owed_preparations", "owed_scores")


def test_the_tables_can_be_made_anew_from_the_ledger(desk: Desk) -> None:
    submissions = [desk.upload(uuid4()) for _ in range(3)]
    desk.release(slots=1)
    desk.report(started(submissions[0]))
    desk.report(trained(submissions[0], 0))
    desk.report(slow(submissions[0]))
    desk.withdraw(submissions[1])
    desk.release(slots=1)
    before = table_contents(desk)
    with desk.engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM orchestrator.{table}"))
        connection.execute(text("UPDATE orchestrator.checkpoint SET position = 0"))
    assert table_contents(desk) == before


def table_contents(desk: Desk) -> dict[str, list[str]]:
    desk.projection.catch_up()
    with desk.engine.connect() as connection:
        return {
            table: sorted(str(row) for row in connection.execute(text(f"SELECT * FROM orchestrator.{table}"))) for table in TABLES
        }
