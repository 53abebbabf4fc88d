"""Puts the scorer together and runs it."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from services.scorer.consumer import ScorerConsumer
from services.scorer.ensembles import EnsembleMaker
from services.scorer.environments import EnvironmentShop
from services.scorer.keeping import EnsembleKeeper
from services.scorer.passes import Passes
from services.scorer.predictions import Members
from services.scorer.preparation import ProblemPreparer
from services.scorer.projection import HANDLERS
from services.scorer.rescoring import Rescorer
from services.scorer.scoring import RunScorer
from shared.artefacts import Store
from shared.bus.connection import connect
from shared.bus.consumer import Consumer
from shared.bus.doorbell import Doorbell
from shared.bus.patience import patiently
from shared.bus.service import run_bus_service
from shared.bus.topology import event_queue
from shared.database import make_engine
from shared.events import Service
from shared.execution.cache import Cache
from shared.execution.environments.build import Builder, BuildLimits
from shared.execution.environments.index import Index
from shared.execution.sandbox.port import Limits
from shared.ledger import Projection
from shared.settings import ScorerSettings
from shared.telemetry import Readiness, configure_logging
from shared.workbench import Workbench, cold_stations, open_sandbox, open_stations

GIB = 2**30
#: Messages taken at a time: preparations wait in turn without keeping scores from being worked out.
PREFETCH = 32
THREADS = 8


def main() -> None:
    """Prepare and score until SIGTERM."""
    settings = ScorerSettings()
    configure_logging("scorer", settings.log_level)
    readiness = Readiness()
    readiness.blocked("start", "connecting")
    store = Store(settings)
    workbench = Workbench(store, settings)
    # A machine that can't give a sandbox with all its limits ends here, with the command that mends it, before it takes any work.
    sandbox = open_sandbox(settings)
    folder = settings.cache_dir
    builder = Builder(sandbox, folder / "building", Index.of(os.environ), settings.wheel_dir, build_limits(settings))
    engine = make_engine(settings)
    shop = EnvironmentShop(
        engine, store, workbench, builder, folder / "environments", turn_limit_s=2 * settings.build_time_limit_s
    )

    projection = Projection("scorer", engine, HANDLERS, readiness)

    async def score() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        with open_stations(settings, sandbox) as stations:
            preparer = ProblemPreparer(store, shop, sandbox, prepare_limits(settings), folder / "work")
            scorer = RunScorer(store, workbench, stations, score_limits(settings.score_time_limit_s))
            members = Members(store, Cache(folder / "members", settings.cache_max_bytes), folder / "work")
            limits = score_limits(settings.ensemble_time_limit_s)
            # Not those that wait: each job has a folder of members of its own, and they keep the files that they were started with.
            maker = EnsembleMaker(engine, projection, store, workbench, cold_stations(settings, sandbox), members, limits)
            keeper = EnsembleKeeper(maker, settings.ensemble_pause_s)
            follower = Doorbell(projection, keeper.wake)
            at_once = os.cpu_count() or 1
            turns = asyncio.Semaphore(at_once)
            passes = Passes(engine, projection, workbench, scorer, turns, at_once)
            rescorer = Rescorer(engine, projection, passes)
            consumer = ScorerConsumer(engine, preparer, scorer, rescorer, follower, turns)
            await patiently(follower.ring, "catching up")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(follower.look_every(settings.ledger_look_s))
                tasks.create_task(keeper.run())
                connection = await connect(settings, "scorer")
                async with connection:
                    readiness.clear("start")
                    queue = event_queue(Service.SCORER)
                    await Consumer(connection, queue, consumer.handle, readiness, prefetch=PREFETCH).run()

    run_bus_service(settings, readiness, score)


def build_limits(settings: ScorerSettings) -> BuildLimits:
    """What building an environment may take: one that no cache could hold is of no use."""
    return BuildLimits(time_s=settings.build_time_limit_s, environment_bytes=settings.cache_max_bytes)


def prepare_limits(settings: ScorerSettings) -> Limits:
    """What a kit may use while its problem is prepared."""
    return Limits(
        wall_time_s=settings.prepare_time_limit_s,
        memory_bytes=8 * GIB,
        file_bytes=8 * GIB,
        output_bytes=16 * GIB,
        log_bytes=2**18,
        processes=256,
    )


def score_limits(time_limit_s: float) -> Limits:
    """What a kit's metrics may use for one run, or one ensemble."""
    return Limits(
        wall_time_s=time_limit_s,
        cpu_time_s=time_limit_s,
        memory_bytes=8 * GIB,
        file_bytes=GIB,
        output_bytes=GIB,
        log_bytes=2**18,
        processes=256,
    )
