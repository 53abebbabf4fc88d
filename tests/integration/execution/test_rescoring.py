"""Another version of a problem: what is scored by it, what is not, whose place it moves, and what a death or a late score costs."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.scorer.adoption import adopt
from services.scorer.ensembles import read_due
from services.scorer.scoring import KIT_FAILED, TrainedRun
from shared.artefacts import Store
from shared.bus.consumer import RejectedError
from shared.events import (
    EnsembleComputed,
    ProblemPrepared,
    ProblemVersionAdopted,
    RankMove,
    RecordedEvent,
    RescoringComputed,
    RescoringFailed,
    RunReproduced,
    RunRescored,
    ScoreComputed,
    ScoreEvent,
)
from shared.execution.sandbox import Bubblewrap
from shared.execution.sandbox.port import SandboxError
from shared.execution.stations import ColdStations, Environment
from shared.ledger import head_position
from shared.runs import run_id_of
from tests.integration.execution.rescoring_world import N_TRAIN, World, prepare_versions, teams
from tests.support.histories import CHALLENGE, Submission
from tests.support.servers import Servers


@pytest.fixture(scope="module")
def prepared(
    servers: Servers, sandbox: Bubblewrap, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, ProblemPrepared]:
    folder = tmp_path_factory.mktemp("versions")
    return prepare_versions(lambda key: Store(servers.store_settings(key)), sandbox, environment, folder)


@pytest.fixture
def world(
    engine_of: Callable[[str], Engine],
    store_of: Callable[[str], Store],
    prepared: dict[int, ProblemPrepared],
    environment: Environment,
    stations: ColdStations,
    tmp_path: Path,
) -> World:
    return World(engine_of, store_of, prepared, environment, stations, tmp_path)


def head(world: World) -> int:
    with world.engine.connect() as connection:
        return head_position(connection)


def runs_of(events: Sequence[ScoreEvent | RescoringFailed]) -> list[UUID]:
    return sorted(each.run_id for each in events)


def first_runs(submissions: Sequence[Submission]) -> list[UUID]:
    return sorted(run_id_of(each.submission_id) for each in submissions)


def counts(world: World) -> tuple[int, int, int]:
    """Of the newest dry run: scored, failed, to retrain."""
    computed = world.events(RescoringComputed)[-1]
    return computed.n_scored, computed.n_failed, computed.n_to_retrain


def candidates(world: World) -> set[UUID] | None:
    """The runs that the challenge's ensemble is to be made from; None if it is not due."""
    world.projection.catch_up()
    with world.engine.connect() as connection:
        due = read_due(connection, CHALLENGE)
    return None if due is None else {each.run.run_id for each in due.candidates}


async def test_a_dry_run_then_the_version_for_real_each_twice(world: World) -> None:
    """What counts errors as good turns the order round."""
    best, middle, worst = submissions = [world.history.submitted(world.history.person()) for _ in range(3)]
    for submission, right in zip(submissions, (90, 70, 40), strict=True):
        await world.hear(world.train(submission, right))
    assert world.history.combine([0], [0], [0])
    asked = world.request(2)
    await world.hear(asked)
    assert runs_of(world.events(RunRescored)) == first_runs(submissions)
    assert {each.problem_version for each in world.events(RunRescored)} == {2}
    assert counts(world) == (3, 0, 0)
    assert world.events(ProblemVersionAdopted) == []
    assert candidates(world) is None, "a later version's scores do not count yet"

    before = head(world)
    await world.hear(asked)
    assert head(world) == before
    assert len(world.scorer.rescored) == 3

    wanted = world.confirm(2)
    await world.hear(wanted)
    [adopted] = world.events(ProblemVersionAdopted)
    assert adopted.moves == (
        RankMove(team_id=worst.account.team_id, before=3, after=1),
        RankMove(team_id=best.account.team_id, before=1, after=3),
    )
    assert middle.account.team_id not in {each.team_id for each in adopted.moves}
    before = head(world)
    await world.hear(wanted)
    await world.hear(world.recorded(ProblemVersionAdopted))
    assert head(world) == before
    assert candidates(world) == set(first_runs(submissions)), "other scores: the ensemble is to be made anew"
    assert len(world.scorer.rescored) == 3


async def test_a_second_dry_run_takes_in_what_was_scored_since_and_is_answered(world: World) -> None:
    world.scored(90)
    await world.hear(world.request(2))
    world.scored(70)
    await world.hear(world.request(2))
    assert [each.n_scored for each in world.events(RescoringComputed)] == [1, 2]
    assert len(world.scorer.rescored) == 2


async def test_predictions_on_other_data_do_not_count_until_a_run_on_these(world: World) -> None:
    first, _ = submissions = world.scored(90, 70)
    await world.hear(world.request(3))
    assert counts(world) == (0, 0, 2)
    assert world.events(RunRescored) == []
    run = world.history.request_run(first, "retrain", 3)
    await world.hear(world.train(first, 80, run.run_id, N_TRAIN + 3))
    assert world.events(ScoreComputed)[-1].problem_version == 3
    await world.hear(world.request(3))
    assert counts(world) == (1, 0, 1)
    await world.hear(world.confirm(3))
    await world.hear(world.recorded(ProblemVersionAdopted))
    assert world.events(ProblemVersionAdopted)[0].moves == (RankMove(team_id=teams(submissions)[1], before=2, after=None),)
    assert world.scorer.rescored == []
    assert candidates(world) == {run.run_id}


async def test_what_came_after_the_dry_run_falls_off_no_board_unasked(world: World) -> None:
    await world.hear(world.request(3))
    assert counts(world) == (0, 0, 0)
    world.scored(90)
    wanted = world.confirm(3, without_missing=False)
    for _ in range(2):
        await world.hear(wanted)
    assert world.events(ProblemVersionAdopted) == []
    assert [each.n_to_retrain for each in world.events(RescoringComputed)] == [0, 1]
    await world.hear(world.confirm(3))
    assert len(world.events(ProblemVersionAdopted)) == 1


async def test_of_a_version_that_has_scored_nothing_the_ensemble_is_empty(world: World) -> None:
    world.scored(90, 70)
    assert world.history.combine([0], [0], [1])
    await world.hear(world.confirm(3))
    await world.hear(world.recorded(ProblemVersionAdopted))
    assert world.maker.due() == [CHALLENGE]
    assert world.maker.make(CHALLENGE)
    ensemble = world.events(EnsembleComputed)[-1]
    assert (ensemble.problem_version, ensemble.n_candidates, ensemble.members, ensemble.combined) == (3, 0, (), ())
    world.projection.catch_up()
    assert world.maker.due() == []


async def test_code_that_fails_is_said_of_each_run_once(world: World) -> None:
    submissions = world.scored(90, 70)
    for _ in range(2):
        await world.hear(world.request(4))
        assert counts(world) == (0, 2, 0)
    failed = world.events(RescoringFailed)
    assert runs_of(failed) == first_runs(submissions)
    assert {each.reason for each in failed} == {KIT_FAILED}
    assert len(world.scorer.rescored) == 2


async def test_a_metric_that_raises_costs_its_numbers_only(world: World) -> None:
    world.scored(90)
    await world.hear(world.request(5))
    assert counts(world) == (1, 0, 0)
    [rescored] = world.events(RunRescored)
    assert {each.valid for each in rescored.folds} == {None}
    assert rescored.detail_digest is not None


async def test_what_is_scored_late_is_scored_by_the_version_that_was_adopted_meanwhile(world: World) -> None:
    [early] = world.scored(90)
    before_it, after_it = (world.history.submitted(world.history.person()) for _ in range(2))
    trained = [world.train(before_it, 70), world.train(after_it, 60)]
    await world.hear(world.request(2))
    # Its score is there for the pass of the confirmation.
    world.consumer.score(trained[0])
    await world.hear(world.confirm(2))
    world.consumer.score(trained[1])
    assert world.events(ScoreComputed)[-1].problem_version == 1
    assert runs_of(world.events(RunRescored)) == first_runs([early, before_it])
    await world.hear(world.recorded(ScoreComputed))
    assert runs_of(world.events(RunRescored)) == first_runs([early, before_it, after_it])
    assert candidates(world) == set(first_runs([early, before_it, after_it]))


async def test_what_comes_late_on_other_data_says_that_it_has_to_be_trained_again(world: World) -> None:
    world.scored(90)
    late = world.history.submitted(world.history.person())
    trained = world.train(late, 70)
    await world.hear(world.confirm(3))
    await world.hear(trained)
    scored = world.recorded(ScoreComputed)
    for _ in range(2):
        await world.hear(scored)
    [failed] = world.events(RescoringFailed)
    assert (failed.run_id, failed.problem_version) == (run_id_of(late.submission_id), 3)
    assert "trained again" in failed.reason


async def test_what_was_scored_after_the_last_pass_follows_the_adoption(
    world: World, prepared: dict[int, ProblemPrepared]
) -> None:
    world.scored(90)
    await world.hear(world.request(2))
    [slow] = world.scored(70)
    # As the confirmation does after its pass, to which it came too late.
    assert adopt(world.engine, world.projection, CHALLENGE, prepared[2], world.recorded(RescoringComputed))
    await world.hear(world.recorded(ProblemVersionAdopted))
    assert run_id_of(slow.submission_id) in runs_of(world.events(RunRescored))
    assert not adopt(world.engine, world.projection, CHALLENGE, prepared[2], world.recorded(RescoringComputed))


async def test_a_pass_that_ends_half_way_costs_what_is_missing(world: World) -> None:
    submissions = world.scored(90, 70, 40)

    def fail_at_the_second(_run: TrainedRun) -> None:
        if len(world.scorer.rescored) == 2:
            raise SandboxError("this machine fails")

    world.scorer.meanwhile = fail_at_the_second
    asked = world.request(2)
    with pytest.raises(SandboxError):
        await world.hear(asked)
    assert len(world.events(RunRescored)) == 1
    assert world.events(RescoringComputed) == []
    await world.hear(asked)
    assert runs_of(world.events(RunRescored)) == first_runs(submissions)
    assert len(world.scorer.rescored) == 4, "one of the three came twice"
    assert counts(world) == (3, 0, 0)


async def test_a_reproduction_stands_beside_what_it_is_compared_with(world: World) -> None:
    [submission] = world.scored(90)
    run = world.history.request_run(submission, "reproduce")
    await world.hear(world.train(submission, 80, run.run_id))
    [reproduced] = world.events(RunReproduced)
    assert (reproduced.run_id, reproduced.of_run_id) == (run.run_id, run.of_run_id)
    assert reproduced.bagged != world.events(ScoreComputed)[0].bagged
    assert len(world.events(ScoreComputed)) == 1
    assert candidates(world) == {run_id_of(submission.submission_id)}
    await world.hear(world.request(2))
    assert runs_of(world.events(RunRescored)) == first_runs([submission])


async def test_a_retrained_run_takes_the_place_and_is_scored_by_the_other_version_in_its_turn(world: World) -> None:
    [submission] = world.scored(90)
    await world.hear(world.request(2))
    run = world.history.request_run(submission, "retrain")
    await world.hear(world.train(submission, 60, run.run_id))
    assert candidates(world) == {run.run_id}
    await world.hear(world.request(2))
    assert [each.run_id for each in world.events(RunRescored)] == [run_id_of(submission.submission_id), run.run_id]


async def test_a_run_on_the_version_itself_is_not_overtaken_by_an_older_one(world: World) -> None:
    """It is trained and scored while the older one is scored anew."""
    [submission] = world.scored(90)
    retrained: list[RecordedEvent] = []

    def meanwhile(_run: TrainedRun) -> None:
        run = world.history.request_run(submission, "retrain", 2)
        retrained.append(world.train(submission, 60, run.run_id))
        world.consumer.score(retrained[0])

    world.scorer.meanwhile = meanwhile
    await world.hear(world.request(2))
    assert world.events(RunRescored) == []
    assert world.events(ScoreComputed)[-1].problem_version == 2
    assert counts(world) == (1, 0, 0)


async def test_a_run_that_another_scorer_has_scored_anew_is_not_overtaken_by_an_older_one(world: World) -> None:
    """It is trained on the version before, and the other scorer's pass begins while the older run is scored anew here."""
    [submission] = world.scored(90)
    newer: list[UUID] = []

    def meanwhile(_run: TrainedRun) -> None:
        if newer:
            return
        newer.append(world.history.request_run(submission, "retrain").run_id)
        world.train(submission, 60, newer[0])
        world.history.score(submission, 0.6)
        world.history.rescored(submission, 2)

    world.scorer.meanwhile = meanwhile
    await world.hear(world.request(2))
    assert [each.run_id for each in world.events(RunRescored)] == newer
    assert counts(world) == (1, 0, 0)


async def test_a_new_submission_does_not_wait_for_a_pass(world: World) -> None:
    submissions = world.scored(90, 70)
    new = world.history.submitted(world.history.person())
    trained = world.train(new, 50)
    loop, is_scored = asyncio.get_running_loop(), asyncio.Event()
    # Every run of the pass takes until the new submission is scored.
    world.scorer.meanwhile = lambda _run: asyncio.run_coroutine_threadsafe(is_scored.wait(), loop).result(60)
    dry_run = asyncio.create_task(world.hear(world.request(2)))
    while not world.scorer.rescored:  # noqa: ASYNC110  (a thread fills it)
        await asyncio.sleep(0.01)
    await asyncio.wait_for(world.hear(trained), 60)
    assert len(world.scorer.rescored) == 1
    is_scored.set()
    await dry_run
    assert runs_of(world.events(RunRescored)) == first_runs([*submissions, new])


async def test_versions_and_challenges_that_are_not_there_are_refused(world: World) -> None:
    with pytest.raises(RejectedError, match="no challenge elsewhere"):
        await world.hear(world.request(2, "elsewhere"))
    with pytest.raises(RejectedError, match="version 9 of problem history is not prepared"):
        await world.hear(world.request(9))
    await world.hear(world.confirm(2))
    before = len(world.events(RescoringComputed))
    # The challenge has gone on: the answer would be to a question that nobody asks any more.
    await world.hear(world.request(1))
    await world.hear(world.confirm(1))
    assert len(world.events(RescoringComputed)) == before
    assert len(world.events(ProblemVersionAdopted)) == 1
    assert candidates(world) is None, "where nothing was scored there is nothing to combine"
