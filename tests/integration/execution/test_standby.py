"""Stations that wait ready: taken once, replaced afterwards, gone when they are old, broken or in the way."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.events import Outcome
from shared.execution.sandbox import Bubblewrap
from shared.execution.standby import StandbyStations
from shared.execution.stations import ColdStations, Environment, StationSpec
from shared.execution.training import train_station
from tests.integration.execution.layout import FOLD_LIMITS, Laid, lay_out, submission_of
from tests.integration.execution.small_kits import classifier, tiny_kit
from tests.support.waiting import wait_until


@pytest.fixture
def laid(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> Laid:
    return lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path)


@pytest.fixture
def spec(laid: Laid) -> StationSpec:
    return train_station(laid.problem, FOLD_LIMITS)


@pytest.fixture
def standby(stations: ColdStations) -> Iterator[StandbyStations]:
    with StandbyStations(stations, 2) as standby:
        yield standby


def ready(standby: StandbyStations, spec: StationSpec) -> int:
    return sum(waiting.station.spec == spec and waiting.station.running.wait_until_ready(0) for waiting in list(standby._waiting))


def test_a_job_is_served_by_the_station_that_waited_and_it_is_replaced(
    standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path
) -> None:
    standby.expect(spec)
    wait_until(lambda: ready(standby, spec), "a station to be ready")
    [waiting] = standby._waiting
    submission = submission_of(tmp_path, {"classifier.py": classifier(fit="import os; print(os.listdir('/job'))")})
    result = laid.train(standby, submission)
    assert (result.outcome, result.log) == (
        Outcome.TRAINED,
        b"['submission', 'fold']\n",
    ) or result.log == b"['fold', 'submission']\n"
    assert waiting.station.running.is_over
    wait_until(lambda: ready(standby, spec), "another station to be ready")
    assert waiting not in standby._waiting


def test_nothing_passes_from_one_job_to_the_next(standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path) -> None:
    standby.expect(spec)
    marks = classifier(
        fit="import sys, os; print(hasattr(sys, 'mark'), os.listdir('/tmp')); sys.mark = 1; open('/tmp/mark', 'w')"
    )
    submission = submission_of(tmp_path, {"classifier.py": marks})
    for _ in range(3):
        wait_until(lambda: ready(standby, spec), "a station to be ready")
        assert laid.train(standby, submission).log == b"False []\n"


def test_without_one_that_waits_a_cold_one_serves(standby: StandbyStations, laid: Laid, tmp_path: Path) -> None:
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    assert laid.train(standby, submission).outcome is Outcome.TRAINED


def test_folds_that_come_in_a_burst_leave_as_many_stations_ready(
    standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path
) -> None:
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    for fold in range(3):
        laid.train(standby, submission, fold)
    wait_until(lambda: ready(standby, spec) == 2, "as many stations as there may be")
    assert len(standby._waiting) == 2


def test_a_kit_used_more_recently_takes_the_place(
    standby: StandbyStations, spec: StationSpec, laid: Laid, sandbox: Bubblewrap, environment: Environment, tmp_path: Path
) -> None:
    other = lay_out(sandbox, environment, tiny_kit(tmp_path, n_train=30), tmp_path / "other")
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    for fold in range(2):
        laid.train(standby, submission, fold)
    wait_until(lambda: ready(standby, spec) == 2, "stations of the first kit")
    for fold in range(2):
        other.train(standby, submission, fold)
    others = train_station(other.problem, FOLD_LIMITS)
    wait_until(lambda: ready(standby, others) == 2, "stations of the second kit")
    wait_until(lambda: ready(standby, spec) == 0, "the first kit's to be gone")


def test_a_station_that_died_while_it_waited_is_not_used(
    standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path
) -> None:
    standby.expect(spec)
    wait_until(lambda: ready(standby, spec), "a station to be ready")
    standby._waiting[0].station.running.kill()
    standby._waiting[0].station.running.wait()
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    assert laid.train(standby, submission).outcome is Outcome.TRAINED


def test_a_station_whose_files_were_replaced_is_not_used(
    standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path
) -> None:
    standby.expect(spec)
    wait_until(lambda: ready(standby, spec), "a station to be ready")
    [stale] = standby._waiting
    shutil.copytree(laid.folder / "kit", laid.folder / "kit.new")
    shutil.rmtree(laid.folder / "kit")
    (laid.folder / "kit.new").rename(laid.folder / "kit")
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    assert laid.train(standby, submission).outcome is Outcome.TRAINED
    wait_until(lambda: stale not in standby._waiting, "the stale one to be thrown away")


def test_what_waits_too_long_is_given_back(stations: ColdStations, spec: StationSpec) -> None:
    with StandbyStations(stations, 1, idle_limit_s=0.5) as standby:
        standby.expect(spec)
        wait_until(lambda: standby._waiting, "a station to wait")
        wait_until(lambda: not standby._waiting, "it to be given back")


def test_a_kit_that_does_not_load_is_not_tried_again_and_again(
    standby: StandbyStations, spec: StationSpec, laid: Laid, tmp_path: Path
) -> None:
    (laid.folder / "kit" / "problem.py").write_text("raise RuntimeError('broken')")
    standby.expect(spec)
    wait_until(lambda: not standby._wanted and not standby._waiting, "it to be given up")
    submission = submission_of(tmp_path, {"classifier.py": classifier()})
    result = laid.train(standby, submission)
    assert result.outcome is Outcome.KIT_ERROR
    assert b"RuntimeError: broken" in result.log


def test_a_capacity_of_none_means_cold_stations_only(stations: ColdStations, laid: Laid, tmp_path: Path) -> None:
    with StandbyStations(stations, 0) as standby:
        assert laid.train(standby, submission_of(tmp_path, {"classifier.py": classifier()})).outcome is Outcome.TRAINED
        assert not standby._waiting


def test_what_a_dead_process_left_in_the_work_folder_is_removed(sandbox: Bubblewrap, spec: StationSpec, tmp_path: Path) -> None:
    work = tmp_path / "shared-work"
    with ColdStations(sandbox, work).take(spec):
        [held] = work.iterdir()
        left, other = work / "train-left.station", work / "another"
        left.mkdir()
        other.mkdir()
        for folder in (held, left, other):
            os.utime(folder, (0, 0))
        ColdStations(sandbox, work)
        assert sorted(work.iterdir()) == sorted([held, other])
