"""The oldest silence, measured on a real ledger: it begins when nothing accounts for a submission, and ends with its last fact."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from services.orchestrator.projection import READ_MODEL
from services.orchestrator.silence import BOUND, OLDEST, SilenceWatch
from services.orchestrator.trainers import Trainers
from shared.artefacts import Store
from shared.bus.telemetry import Heartbeat, Held
from shared.runs import run_id_of
from tests.support.histories import POOL, History, Submission

DAY_S = 86_400


class Watch:
    """A silence watch; the test says what the queue holds and what time it is."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.trainers = Trainers()
        self.ready = 0
        self._watch = SilenceWatch(
            history.orchestrator, self.trainers, self._ready, overdue_after_s=60, bound_s=1800, heard_after_s=0
        )

    async def _ready(self, _pool: str) -> int:
        return self.ready

    def a_day_later(self) -> None:
        """As if all that is recorded were a day older."""
        self.history.projection(READ_MODEL).catch_up()
        with self.history.orchestrator.begin() as connection:
            day = "interval '1 day'"
            connection.execute(text(f"UPDATE runs SET last_fact_at = last_fact_at - {day}"))
            connection.execute(text(f"UPDATE owed_scores SET asked_at = asked_at - {day}"))

    async def oldest(self) -> dict[str, object]:
        self.history.projection(READ_MODEL).catch_up()
        assert await self._watch.look() == 0
        said = json.loads(self._watch.page())
        assert said["bound_s"] == BOUND._value.get() == 1800
        assert said["oldest_s"] == pytest.approx(OLDEST._value.get(), abs=0.001)
        return dict(said)

    async def is_silent(self) -> bool:
        return float(str((await self.oldest())["oldest_s"])) >= DAY_S


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    return History(engine_of, store_of("ingest"))


@pytest.fixture
def watch(history: History) -> Watch:
    return Watch(history)


@pytest.fixture
def submission(history: History) -> Submission:
    history.submit(history.person())
    return history.submissions[-1]


async def test_a_submission_is_silent_exactly_while_neither_queue_nor_trainer_nor_a_fresh_fact_accounts_for_it(
    watch: Watch, history: History, submission: Submission
) -> None:
    watch.a_day_later()
    assert not await watch.is_silent(), "its place in the queue is told"
    history.release()
    assert not await watch.is_silent(), "it was just requested"
    watch.a_day_later()
    watch.ready = 1
    assert not await watch.is_silent(), "it may be what is ready"
    watch.ready = 0
    assert await watch.is_silent()
    assert (await watch.oldest())["submission_id"] == str(submission.submission_id)
    assert (await watch.oldest())["waits_for"] == "a trainer"
    held = (Held(run_id=run_id_of(submission.submission_id), fold=None),)
    await watch.trainers.hear(Heartbeat(trainer="t", slots=1, busy_slots=1, is_draining=False, held=held), f"trainer-{POOL}")
    assert not await watch.is_silent(), "a trainer says that it holds it"
    history.trained(submission)
    assert not await watch.is_silent(), "it was just trained"
    watch.a_day_later()
    assert await watch.is_silent()
    assert (await watch.oldest())["waits_for"] == "the scorer"
    history.ask_again()
    assert not await watch.is_silent(), "its score was just asked for again"
    watch.a_day_later()
    history.score(submission)
    assert (await watch.oldest())["submission_id"] is None, "it is final"


async def test_a_withdrawn_submission_owes_nobody_a_word(watch: Watch, history: History, submission: Submission) -> None:
    history.release()
    history.withdraw(submission)
    watch.a_day_later()
    assert (await watch.oldest())["submission_id"] is None


async def test_until_trainers_had_time_to_speak_nobody_is_taken_for_silent(history: History, submission: Submission) -> None:
    history.release()
    watch = Watch(history)
    watch.a_day_later()
    quiet = SilenceWatch(history.orchestrator, watch.trainers, watch._ready, overdue_after_s=60, bound_s=1800, heard_after_s=3600)
    await quiet.look()
    assert json.loads(quiet.page())["submission_id"] is None
