"""A soak: many teams hand in while something is killed every few seconds; then the same checks as after a single blow.

Predictions are recorded ones, so that it is about everything but training. Run small in the suite, large in `benchmarks/soak.py`.
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.recorded_trainer import FOLDER_VARIABLE
from deploy.local.services import Processes
from tests.crash.world import World, world

#: Two of every service, four trainers.
PROCESSES = Processes(trainers=4, of_each_other=2, trainer_module="benchmarks.recorded_trainer")
#: Different submissions; what is the same was recorded once.
N_KINDS = 8
UPLOADERS = 4
#: Servers are killed as well, more rarely: each of them hits everybody.
SERVERS = ("rabbitmq", "postgres", "seaweedfs", "frontdoor")
ONE_SERVER_IN = 6


@dataclass
class Soaked:
    """What a soak did and found: how often each program was killed, seconds, and the faults, a line each."""

    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    faults: str = ""


def soak(
    n_submissions: int, n_teams: int, n_kills: int, every_s: float, seed: int, say: Callable[[str], None] = lambda _line: None
) -> Soaked:
    """Soak a platform of its own: something is killed `n_kills` times, about every `every_s` seconds, while submissions come in.

    The kills are spread over the submissions and not over the time, so that a slow machine is hurt as often as a fast one. The same `seed`
    kills the same programs in the same order, if not at the same moments.
    """
    with (
        tempfile.TemporaryDirectory(prefix="palio-recordings-") as recordings,
        world("soak", PROCESSES, n_teams, {FOLDER_VARIABLE: recordings, "PALIO_STANDBY_SANDBOXES": "0"}) as hurt,
    ):
        say("the platform is up")
        started, soaked, chance = time.monotonic(), Soaked(), random.Random(seed)
        with ThreadPoolExecutor(UPLOADERS) as uploaders:
            for number in range(n_submissions):
                uploaders.submit(_submit, hurt, number)
                for _ in range(n_kills * number // n_submissions, n_kills * (number + 1) // n_submissions):
                    time.sleep(chance.uniform(0.5, 1.5) * every_s)
                    _kill_one(hurt, soaked, chance)
        if len(hurt.acknowledged) < n_submissions:
            soaked.faults = f"{n_submissions - len(hurt.acknowledged)} submissions were never answered\n"
        say(f"all are handed in, {sum(soaked.kills.values())} kills")
        hurt.wait_for_states("scored", "failed")
        soaked.seconds = time.monotonic() - started
        say("all have their final state; checking")
        soaked.faults += hurt.faults() + hurt.differences()
    return soaked


def _submit(hurt: World, number: int) -> None:
    kind = number % N_KINDS
    hurt.submit(fails=kind == N_KINDS - 1, score=(kind + 1) / 1024)


def _kill_one(hurt: World, soaked: Soaked, chance: random.Random) -> None:
    name = chance.choice(SERVERS) if chance.randrange(ONE_SERVER_IN) == 0 else chance.choice(PROCESSES.names)
    if hurt.stack.supervisor.pid(name) is not None:
        hurt.kill(name)
        soaked.kills[name] += 1
