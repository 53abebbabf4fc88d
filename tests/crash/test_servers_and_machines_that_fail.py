"""Servers are killed, cut off, wiped and full, trainers freeze, clocks differ: every submission gets there all the same."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.crash.world import World

TRAINERS = ("trainer-1", "trainer-2")
#: How long the object store is away: longer than any time-out or retry of a client.
AWAY_S = 30.0
FULL_BYTES = 300 * 2**20
FULL_S = 8.0


@pytest.fixture(autouse=True)
def everybody_got_what_they_were_promised(hurt: World) -> Iterator[None]:
    """After each blow: all submissions of all blows until then."""
    yield
    hurt.wait_for_states("scored", "failed")
    assert hurt.faults() == ""
    assert hurt.differences() == ""


@pytest.mark.parametrize("server", ["rabbitmq", "postgres", "seaweedfs", "mailcatcher", "frontdoor"])
def test_a_server_that_is_killed_costs_nobody_anything(server: str, hurt: World) -> None:
    running = hurt.submit(sleep_s=0.7)
    hurt.wait_for_states("training", "trained", "scored", of=running)
    hurt.kill(server)
    hurt.submit()


def test_a_broker_that_comes_back_with_nothing_costs_nobody_anything(hurt: World) -> None:
    # One on each trainer, others requested, others that wait for their turn.
    submitted = [hurt.submit(sleep_s=1.5) for _ in range(6)]
    hurt.wait_for_states("training", of=submitted[0])
    supervisor, data = hurt.stack.supervisor, hurt.stack.path / "rabbitmq" / "mnesia"
    supervisor.stop_program("rabbitmq")
    shutil.rmtree(data)
    data.mkdir(mode=0o700)
    supervisor.start_program("rabbitmq")


def test_an_object_store_and_a_mail_server_that_are_away_delay_and_nothing_else(hurt: World) -> None:
    supervisor = hurt.stack.supervisor
    running = hurt.submit(sleep_s=1)
    hurt.wait_for_states("training", of=running)
    for name in ("seaweedfs", "mailcatcher"):
        supervisor.stop_program(name)
    # The time itself is the blow: nothing can be waited for.
    time.sleep(AWAY_S)
    assert hurt.state(running) == "training"
    for name in ("seaweedfs", "mailcatcher"):
        supervisor.start_program(name)
    hurt.submit()


def test_a_trainer_that_freezes_for_longer_than_its_heartbeat_and_goes_on_is_late_and_changes_nothing(hurt: World) -> None:
    submitted = [hurt.submit(sleep_s=1) for _ in range(2)]
    for each in submitted:
        hurt.wait_for_states("training", of=each)
    frozen = hurt.stack.supervisor.pid("trainer-1")
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    try:
        # The other one does the work of both.
        for each in submitted:
            hurt.wait_for_states("scored", of=each)
    finally:
        os.kill(frozen, signal.SIGCONT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a store a small disk")
def test_an_object_store_whose_disk_is_full_takes_nothing_in_until_there_is_room(hurt: World) -> None:
    with small_disk(hurt) as disk:
        running = hurt.submit(sleep_s=1)
        hurt.wait_for_states("training", of=running)
        filler = disk / "filler"
        fill(filler)
        # The time itself is the blow: enough for several tries to store what was trained.
        time.sleep(FULL_S)
        assert hurt.state(running) == "training"
        filler.unlink()
        # SeaweedFS's index takes nothing more after a write that failed, until it is started again (docs/runbook.md).
        hurt.kill("seaweedfs")
        hurt.wait_for_states("scored", of=running)


@contextmanager
def small_disk(hurt: World) -> Iterator[Path]:
    """The store's data on a disk of their own, with little room."""
    supervisor, data = hurt.stack.supervisor, hurt.stack.path / "seaweedfs" / "data"
    aside = data.with_name("aside")
    supervisor.stop_program("seaweedfs")
    data.rename(aside)
    data.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES}", "tmpfs", data], check=True)
    try:
        shutil.copytree(aside, data, dirs_exist_ok=True)
        supervisor.start_program("seaweedfs")
        supervisor.wait_ready([supervisor.program("seaweedfs")], limit_s=60)
        yield data
        hurt.wait_for_states("scored", "failed")
        supervisor.stop_program("seaweedfs")
        shutil.rmtree(aside)
        shutil.copytree(data, aside)
    finally:
        if supervisor.pid("seaweedfs") is not None:
            supervisor.stop_program("seaweedfs")
        subprocess.run(["umount", data], check=True)
        data.rmdir()
        aside.rename(data)
        supervisor.start_program("seaweedfs")


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**20))
        except OSError:
            return


#: What the command `faketime` loads. Not the command itself, which would stand between a program and whoever stops it.
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.skipif(FAKETIME is None, reason="needs faketime, which script/test installs where it may")
def test_services_whose_clocks_differ_by_an_hour_agree_all_the_same(hurt: World) -> None:
    # Who signs requests to the object store may differ by minutes only: the store refuses older ones.
    clocks = {"orchestrator": "+1h", "relay": "-1h", "mailer": "-10m", "ingest": "-10m", "leaderboard": "+10m", "scorer": "+10m"}
    for name, offset in clocks.items():
        hurt.changed(name, ("env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={offset}"))
    try:
        submission = hurt.submit()
        failing = hurt.submit(fails=True)
        hurt.wait_for_states("scored", of=submission)
        hurt.wait_for_states("failed", of=failing)
        assert clock_of(hurt, "orchestrator") - clock_of(hurt, "relay") > timedelta(hours=1, minutes=50), "they really differ"
    finally:
        for name in clocks:
            hurt.changed(name)


def clock_of(hurt: World, name: str) -> datetime:
    """The time of the last line of a service's log, which is not long ago."""
    lines = (hurt.stack.path / "log" / f"{name}.log").read_text().splitlines()
    return datetime.fromisoformat([json.loads(line)["timestamp"] for line in lines if line.startswith("{")][-1])
