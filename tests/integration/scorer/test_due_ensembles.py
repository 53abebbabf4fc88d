"""When a challenge's ensemble is due, what it is made from, and what becomes of two scorers that make the same."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Engine, text

from services.scorer.ensembles import DueEnsemble, EnsembleMaker, computed, read_due
from services.scorer.predictions import Members
from services.scorer.projection import READ_MODEL
from shared.artefacts import MissingArtefactError, Store
from shared.events import EnsembleComputed, EnsembleEvent, EnsembleFailed, Metadata, RecordedEvent
from shared.execution.cache import Cache
from shared.execution.ensembling import FoundEnsemble, Known
from shared.execution.sandbox import Bubblewrap, Limits
from shared.execution.stations import ColdStations
from shared.ledger import NewEvent, Projection, append, read_stream
from shared.settings import CacheSettings
from shared.telemetry import Readiness
from shared.workbench import Workbench
from tests.support.histories import CHALLENGE, History

LIMITS = Limits(wall_time_s=10, memory_bytes=1 << 30, file_bytes=1 << 20, output_bytes=1 << 20, log_bytes=1 << 10, processes=8)


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    return History(engine_of, store_of("ingest"))


def scored(history: History) -> None:
    """One submission more that is scored."""
    history.submit(history.person())
    history.release(slots=100)
    history.trained(history.submissions[-1])
    history.score(history.submissions[-1])


def due_of(history: History, engine: Engine) -> DueEnsemble | None:
    history.catch_up()
    with engine.connect() as connection:
        return read_due(connection, CHALLENGE)


def known_of(history: History, engine: Engine) -> tuple[int, Known | None]:
    """How many candidates there are, and what is known of them."""
    due = due_of(history, engine)
    assert due is not None
    return len(due.candidates), due.job.known


def ensembles(engine: Engine) -> list[RecordedEvent]:
    with engine.connect() as connection:
        return read_stream(connection, f"ensemble-{CHALLENGE}")


M = TypeVar("M", bound=EnsembleMaker)


class Maker(EnsembleMaker):
    """Works out that the first candidate is the best on every fold, without a sandbox; may do something before it says so."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def _worked_out(self, due: DueEnsemble) -> EnsembleEvent:
        self.meanwhile()
        return computed(due, FoundEnsemble(picks=((0,), (0,), (0,)), scores=None))


def maker_of(kind: type[M], engine: Engine, store: Store, folder: Path) -> M:
    projection = Projection("scorer", engine, READ_MODEL.handlers, Readiness())
    workbench = Workbench(store, CacheSettings(cache_dir=folder))
    members = Members(store, Cache(folder / "members", 1 << 30), folder / "work")
    return kind(engine, projection, store, workbench, ColdStations(Bubblewrap(), folder / "work"), members, LIMITS)


@pytest.fixture
def maker(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], tmp_path: Path) -> Maker:
    return maker_of(Maker, engine_of("scorer"), store_of("scorer"), tmp_path)


def test_nothing_is_due_before_anything_is_scored(history: History, engine_of: Callable[[str], Engine]) -> None:
    history.submit(history.person())
    assert due_of(history, engine_of("scorer")) is None


def test_what_is_known_is_told_from_what_is_fresh(history: History, engine_of: Callable[[str], Engine]) -> None:
    engine = engine_of("scorer")
    for _ in range(3):
        scored(history)
    assert known_of(history, engine) == (3, None)
    assert history.combine([2, 0, 2], [0], [0])
    assert due_of(history, engine) is None
    scored(history)
    assert known_of(history, engine) == (4, Known([[2, 0, 2], [0], [0]], fresh=[3]))


def test_another_version_makes_it_due_once_it_is_adopted_and_begins_anew(
    history: History, engine_of: Callable[[str], Engine]
) -> None:
    engine = engine_of("scorer")
    for _ in range(2):
        scored(history)
    assert history.combine([0], [0], [0])
    first, _ = history.submissions
    version = history.publish_next_version()
    history.rescored(first, version)
    assert due_of(history, engine) is None, "a later version's scores do not count yet"
    history.adopt(version)
    assert known_of(history, engine) == (1, None)
    assert history.combine([0], [0], [0])
    scored(history)
    assert due_of(history, engine) is None, "nor do an earlier one's any more"


def test_contributivity_is_the_share_of_picks(history: History, engine_of: Callable[[str], Engine]) -> None:
    for _ in range(3):
        scored(history)
    history.combine([2, 0, 2], [0], [0])
    event = ensembles(engine_of("scorer"))[-1].event()
    assert isinstance(event, EnsembleComputed)
    by_submission = {member.submission_id: member.contributivity for member in event.members}
    first, _, third = (each.submission_id for each in history.submissions)
    assert by_submission == {first: pytest.approx(7 / 9), third: pytest.approx(2 / 9)}
    assert event.n_candidates == 3


def test_a_score_that_comes_while_an_ensemble_is_worked_out_makes_the_next_one_due(
    history: History, maker: Maker, engine_of: Callable[[str], Engine]
) -> None:
    scored(history)
    history.catch_up()
    maker.meanwhile = lambda: scored(history)
    assert maker.make(CHALLENGE)
    assert known_of(history, engine_of("scorer")) == (2, Known([[0], [0], [0]], fresh=[1]))


def test_of_two_scorers_that_made_the_same_one_records_it(
    history: History, maker: Maker, engine_of: Callable[[str], Engine]
) -> None:
    """A lock keeps them apart; here it was lost."""
    scored(history)
    history.catch_up()
    maker.meanwhile = lambda: history.combine([0], [0], [0])
    assert not maker.make(CHALLENGE)
    assert len(ensembles(engine_of("scorer"))) == 1
    history.catch_up()
    assert maker.due() == []


def test_what_another_scorer_has_recorded_is_not_worked_out_again(
    history: History, maker: Maker, engine_of: Callable[[str], Engine]
) -> None:
    """Nobody has told this one."""
    scored(history)
    history.catch_up()
    with engine_of("scorer").begin() as connection:
        due = read_due(connection, CHALLENGE)
        assert due is not None
        event = computed(due, FoundEnsemble(picks=((0,), (0,), (0,)), scores=None))
        append(connection, [NewEvent(event, Metadata(correlation_id="another"), 0)])
    maker.meanwhile = lambda: pytest.fail("it was worked out already")
    assert not maker.make(CHALLENGE)


def test_one_that_comes_back_from_a_store_that_had_lost_it_is_looked_at(
    history: History, engine_of: Callable[[str], Engine]
) -> None:
    for _ in range(2):
        scored(history)
    due = due_of(history, engine_of("scorer"))
    assert due is not None
    # The second one's predictions were not there.
    left = replace(due, candidates=due.candidates[:1])
    with engine_of("scorer").begin() as connection:
        event = computed(left, FoundEnsemble(picks=((0,), (0,), (0,)), scores=None))
        append(connection, [NewEvent(event, Metadata(correlation_id="test"), 0)])
    scored(history)
    assert known_of(history, engine_of("scorer")) == (3, None)


def test_while_one_is_at_a_challenge_another_leaves_it_alone(
    history: History, maker: Maker, engine_of: Callable[[str], Engine]
) -> None:
    scored(history)
    history.catch_up()
    with engine_of("scorer").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtext('palio.ensemble'), hashtext(:name))"), {"name": CHALLENGE})
        assert not maker.make(CHALLENGE)
        connection.invalidate()
    assert maker.make(CHALLENGE)


def test_an_ensemble_that_failed_is_not_tried_again_before_the_next_score(
    history: History, maker: Maker, engine_of: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(history)
    history.catch_up()

    def failed(_self: Maker, due: DueEnsemble) -> EnsembleEvent:
        return EnsembleFailed(
            challenge_id=CHALLENGE, problem_version=1, up_to_position=due.up_to_position, reason="no", detail_digest=None
        )

    monkeypatch.setattr(Maker, "_worked_out", failed)
    assert maker.make(CHALLENGE)
    assert due_of(history, engine_of("scorer")) is None
    scored(history)
    assert known_of(history, engine_of("scorer")) == (2, None)


def test_a_problem_that_the_store_has_lost_is_no_result(
    history: History, engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], tmp_path: Path
) -> None:
    scored(history)
    history.catch_up()
    maker = maker_of(EnsembleMaker, engine_of("scorer"), store_of("scorer"), tmp_path)
    with pytest.raises(MissingArtefactError):
        maker.make(CHALLENGE)
    assert ensembles(engine_of("scorer")) == []
