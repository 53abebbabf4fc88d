"""What the scorer has forgotten is asked for again, by one request at a time, and nothing else is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aio_pika
import pytest
from sqlalchemy import Engine, text

from services.orchestrator.main import scorers_queue
from services.orchestrator.projection import HANDLERS
from services.orchestrator.reminders import GIVEN_UP, MAX_REQUESTS, QueueState, Reminders
from services.scorer.consumer import ScorerConsumer
from services.scorer.main import score_limits
from services.scorer.passes import Passes
from services.scorer.preparation import ProblemPreparer
from services.scorer.rescoring import Rescorer
from services.scorer.scoring import Numbers, RunScorer, TrainedRun
from shared.artefacts import Store
from shared.bus.doorbell import Doorbell
from shared.events import (
    PreparationRequested,
    ProblemPrepared,
    ProblemPublished,
    RecordedEvent,
    ScoringRequested,
)
from shared.execution.preparation import KitError
from shared.execution.sandbox import Bubblewrap
from shared.execution.stations import ColdStations
from shared.ledger import Projection, read_after
from shared.settings import CacheSettings
from shared.telemetry import Readiness
from shared.workbench import Workbench
from tests.support.goldens import golden
from tests.support.histories import History, Submission

AFTER_S = 1000
IDLE = QueueState(ready=0, consumers=1)


class Watch:
    """An orchestrator that reminds, on a real ledger; the test moves its time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.queue = IDLE

    async def _state(self) -> QueueState:
        return self.queue

    def reminders(self) -> Reminders:
        return Reminders(self.engine, self._state, idle_after_s=0, unprepared_after_s=AFTER_S, unscored_after_s=AFTER_S)

    def take_in(self) -> None:
        Projection("orchestrator", self.engine, HANDLERS, Readiness()).catch_up()

    def look(self) -> int:
        self.take_in()
        return asyncio.run(self.reminders().look())

    def pass_time(self, seconds: float) -> None:
        """As if everything had been asked for so much longer ago."""
        self.take_in()
        with self.engine.begin() as connection:
            for table in ("owed_preparations", "owed_scores"):
                statement = text(f"UPDATE {table} SET asked_at = asked_at - make_interval(secs => :seconds)")
                connection.execute(statement, {"seconds": seconds})

    def events(self) -> list[RecordedEvent]:
        with self.engine.connect() as connection:
            return read_after(connection, 0, 10_000)

    def requests(self) -> list[ScoringRequested | PreparationRequested]:
        found = [each.event() for each in self.events()]
        return [each for each in found if isinstance(each, ScoringRequested | PreparationRequested)]


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    return History(engine_of, store_of("ingest"))


@pytest.fixture
def watch(engine_of: Callable[[str], Engine]) -> Watch:
    return Watch(engine_of("orchestrator"))


@pytest.fixture
def trained(history: History) -> Submission:
    """A trained submission of whose score nothing is heard."""
    history.submit(history.person())
    history.release()
    history.trained(history.submissions[-1])
    return history.submissions[-1]


def test_a_trained_run_without_a_score_is_asked_for_after_the_bound_then_after_twice_as_long(
    watch: Watch, trained: Submission
) -> None:
    assert watch.look() == 0
    watch.pass_time(AFTER_S)
    assert watch.look() == 1
    assert watch.look() == 0, "it was just asked for"
    watch.pass_time(AFTER_S)
    assert watch.look() == 0
    watch.pass_time(AFTER_S)
    assert watch.look() == 1
    assert [(each.attempt, each.stream[:6]) for each in watch.requests()] == [(1, "score-"), (2, "score-")]
    [finished] = [each for each in watch.events() if each.type == "TrainingFinished"]
    assert watch.events()[-1].metadata.causation_id == finished.id


def test_a_published_problem_of_which_nothing_came_is_asked_for_and_one_that_was_prepared_is_not(
    watch: Watch, history: History
) -> None:
    published = golden("ProblemPublished")
    assert isinstance(published, ProblemPublished)
    history.append_as("ingest", published.model_copy(update={"problem_id": "forgotten"}))
    watch.pass_time(AFTER_S)
    assert watch.look() == 1
    [request] = watch.requests()
    assert isinstance(request, PreparationRequested)
    assert (request.problem_id, request.version, request.attempt) == ("forgotten", published.version, 1)


@pytest.mark.parametrize("queue", [QueueState(ready=1, consumers=1), QueueState(ready=0, consumers=0)])
def test_what_may_still_be_in_the_queue_or_waits_for_a_scorer_is_not_forgotten(
    watch: Watch, trained: Submission, queue: QueueState
) -> None:
    watch.queue = queue
    watch.pass_time(AFTER_S)
    assert watch.look() == 0


def test_an_orchestrator_whose_tables_are_behind_asks_for_nothing_that_is_known_or_asked_for(
    watch: Watch, history: History, trained: Submission
) -> None:
    watch.pass_time(AFTER_S)
    assert asyncio.run(watch.reminders().look()) == 1
    assert asyncio.run(watch.reminders().look()) == 0, "another one has asked"
    history.score(trained)
    watch.pass_time(0)
    with watch.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO owed_scores SELECT :run, :run, '-infinity'"), {"run": watch.requests()[0].stream[6:]}
        )
    assert asyncio.run(watch.reminders().look()) == 0, "the score is there"
    assert len(watch.requests()) == 1


def test_what_asking_does_not_help_is_asked_for_no_more_and_shows_as_a_metric_until_it_is_done(
    watch: Watch, history: History, trained: Submission
) -> None:
    for number in range(MAX_REQUESTS + 3):
        watch.pass_time(AFTER_S * 2**number)
        watch.look()
    assert [each.attempt for each in watch.requests()] == list(range(1, MAX_REQUESTS + 1))
    assert GIVEN_UP.labels("score")._value.get() == 1
    history.score(trained)
    watch.look()
    assert GIVEN_UP.labels("score")._value.get() == 0


async def test_the_broker_lets_the_orchestrator_see_how_the_scorers_queue_stands(amqp_url: Callable[[str], str]) -> None:
    async with await aio_pika.connect_robust(amqp_url("orchestrator")) as connection:
        state = await (await scorers_queue(connection))()
    assert state.consumers == 0


class BrokenKitScorer(RunScorer):
    """Scores a kit whose code fails, which is a result."""

    def _numbers(self, *_of: TrainedRun | ProblemPrepared) -> Numbers:
        raise KitError("its metrics fail")


class Bench:
    """A scorer as it runs, but for environments and a sandbox: nothing here comes so far as to need one."""

    def __init__(self, engine: Engine, store: Store, folder: Path) -> None:
        preparer = ProblemPreparer(store, None, Bubblewrap(), score_limits(10), folder / "work")  # type: ignore[arg-type]
        stations = ColdStations(Bubblewrap(), folder / "stations")
        workbench = Workbench(store, CacheSettings(cache_dir=folder))
        scorer = BrokenKitScorer(store, workbench, stations, score_limits(10))
        projection, turns = Projection("scorer", engine, {}, Readiness()), asyncio.Semaphore(2)
        rescorer = Rescorer(engine, projection, Passes(engine, projection, workbench, scorer, turns, 2))
        self.consumer = ScorerConsumer(engine, preparer, scorer, rescorer, Doorbell(projection), turns)

    async def hear(self, recorded: RecordedEvent) -> None:
        """The message comes."""
        await self.consumer.handle(SimpleNamespace(body=recorded.to_cloudevent()))  # type: ignore[arg-type]


async def test_a_result_is_recorded_once_whoever_was_asked_how_often(
    watch: Watch,
    history: History,
    trained: Submission,
    engine_of: Callable[[str], Engine],
    store_of: Callable[[str], Store],
    tmp_path: Path,
) -> None:
    """Nothing of the published problem is in the store, and the other one's kit fails: both are results."""
    published = golden("ProblemPublished")
    assert isinstance(published, ProblemPublished)
    history.append_as("ingest", published.model_copy(update={"problem_id": "forgotten", "kit_digest": "9" * 64}))
    watch.pass_time(AFTER_S)
    assert await watch.reminders().look() == 2
    asked = {"PreparationRequested", "ScoringRequested", "TrainingFinished"}
    messages = [each for each in watch.events() if each.type in asked or each.stream == "problem-forgotten"]
    scorers = [Bench(engine_of("scorer"), store_of("scorer"), tmp_path / name) for name in "ab"]
    await asyncio.gather(*(scorer.hear(each) for each in messages for scorer in (*scorers, scorers[0])))
    results = [each.type for each in watch.events()]
    assert results.count("ScoringFailed") == 1
    assert results.count("ProblemPreparationFailed") == 1
    watch.pass_time(10**6)
    assert await watch.reminders().look() == 0


async def test_a_scorer_that_is_at_it_does_not_begin_it_again_for_being_asked(
    watch: Watch, trained: Submission, engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], tmp_path: Path
) -> None:
    watch.pass_time(AFTER_S)
    assert await watch.reminders().look() == 1
    bench = Bench(engine_of("scorer"), store_of("scorer"), tmp_path)
    begun: list[RecordedEvent] = []
    goes_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def score(recorded: RecordedEvent) -> None:
        begun.append(recorded)
        asyncio.run_coroutine_threadsafe(goes_on.wait(), loop).result(60)

    bench.consumer.score = score  # type: ignore[method-assign]
    [finished] = [each for each in watch.events() if each.type == "TrainingFinished"]
    slow = asyncio.create_task(bench.hear(finished))
    while not begun:  # noqa: ASYNC110  (a thread fills it)
        await asyncio.sleep(0.01)
    await asyncio.wait_for(bench.hear(watch.events()[-1]), 30)
    assert len(begun) == 1
    goes_on.set()
    await slow
