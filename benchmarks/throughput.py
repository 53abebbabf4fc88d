"""Events per second: appended to the ledger, published by the relay, and reports decided by the orchestrator.

Examples:
  .venv/bin/python -m benchmarks.throughput
  .venv/bin/python -m benchmarks.throughput --seconds 10 --json

"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import aio_pika
from sqlalchemy import Engine, create_engine, text

from benchmarks.figures import Arguments, Figures
from deploy.local.services import ROOT
from deploy.local.stack import Stack
from shared.bus.reports import AnyReport, FoldTrainedReport, StartedReport
from shared.bus.topology import REPORTS
from shared.events import AdministratorAppointed, FoldLimits, FoldUsage, Metadata, TrainingRequested
from shared.ledger import NewEvent, append
from shared.migrations.roles import role_of

BATCH = 500
N_RUNS = 300
N_FOLDS = 3
METADATA = Metadata(correlation_id="benchmark")
LIMIT_S = 120
WRITERS = (1, 4, 16)


def appends_per_second(engine: Engine, writers: int, batch: int, seconds: float) -> float:
    """Events appended a second by threads that each append `batch` events a transaction."""

    def write(_writer: int) -> int:
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            events = [NewEvent(AdministratorAppointed(user_id=uuid4()), METADATA, 0) for _ in range(batch)]
            with engine.begin() as connection:
                append(connection, events)
            count += batch
        return count

    start = time.perf_counter()
    with ThreadPoolExecutor(writers) as threads:
        written = sum(threads.map(write, range(writers)))
    return written / (time.perf_counter() - start)


@contextmanager
def service(stack: Stack, name: str) -> Iterator[None]:
    """One service of the stack, alone."""
    with subprocess.Popen(
        [sys.executable, "-m", f"services.{name}"], cwd=ROOT, env=stack.services.environment(name), stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.terminate()


def seconds_until(engine: Engine, query: str, wanted: int) -> float:
    """Seconds until a query's number reaches what is wanted."""
    start = time.perf_counter()
    while time.perf_counter() - start < LIMIT_S:
        with engine.connect() as connection:
            if connection.execute(text(query)).scalar_one() >= wanted:
                return time.perf_counter() - start
        time.sleep(0.01)
    raise TimeoutError(f"{query} did not reach {wanted} within {LIMIT_S} s")


def relay_per_second(stack: Stack, relay: Engine) -> tuple[int, float]:
    """Events that wait in the ledger, and how many a second the relay gets confirmed."""
    with relay.connect() as connection:
        head = connection.execute(text("SELECT position FROM ledger.head")).scalar_one()
    with service(stack, "relay"):
        seconds_until(relay, "SELECT position FROM relay.checkpoint", 1)
        return head, head / seconds_until(relay, "SELECT position FROM relay.checkpoint", head)


def relay_beside(stack: Stack, engines: dict[str, Engine], writers: int, seconds: float) -> float:
    """Events that the relay gets confirmed a second, until it has all, while so many append."""
    position = text("SELECT position FROM relay.checkpoint")
    with service(stack, "relay"):
        with engines["relay"].connect() as connection:
            before = int(connection.execute(position).scalar_one())
        started = time.perf_counter()
        appends_per_second(engines["ingest"], writers, 1, seconds)
        with engines["relay"].connect() as connection:
            head = int(connection.execute(text("SELECT position FROM ledger.head")).scalar_one())
        seconds_until(engines["relay"], position.text, head)
        return (head - before) / (time.perf_counter() - started)


def request(run: int) -> TrainingRequested:
    """The request of a run that reports will be about."""
    digest = f"{run:064x}"
    return TrainingRequested(
        run_id=uuid4(), submission_id=uuid4(), challenge_id="benchmark", attempt=1, pool="default", bundle_digest=digest,
        manifest_digest=digest, environment_digest=digest, n_folds=N_FOLDS, limits=FoldLimits.model_validate({}), live_log_bytes=0,
    )  # fmt: skip


def reports_of(requested: TrainingRequested) -> list[AnyReport]:
    """What a trainer says of a run that goes well."""
    about = {"run_id": requested.run_id, "submission_id": requested.submission_id, "attempt": 1, "execution_id": uuid4()}
    usage = FoldUsage(train_time_s=0, valid_time_s=0, test_time_s=0, peak_memory_bytes=0)
    digest = requested.bundle_digest
    folds = [
        FoldTrainedReport(**about, fold=fold, predictions_digest=digest, log_digest=digest, usage=usage)
        for fold in range(N_FOLDS)
    ]
    return [StartedReport(**about, trainer="benchmark", shared_fold=None), *folds]


async def report_all(stack: Stack, requests: list[TrainingRequested]) -> None:
    """Say, as a trainer would, that every fold of every run is trained."""
    connection = await aio_pika.connect(stack.rabbitmq.url("trainer-default"))
    async with connection:
        exchange = await (await connection.channel()).get_exchange(REPORTS, ensure=False)
        for requested in requests:
            for report in reports_of(requested):
                message = aio_pika.Message(report.model_dump_json().encode(), user_id="trainer-default")
                await exchange.publish(message, routing_key=f"default.{report.kind}")


def reports_per_second(stack: Stack, orchestrator: Engine) -> float:
    """Reports a second, from the queue to a committed decision."""
    requests = [request(run) for run in range(N_RUNS)]
    with orchestrator.begin() as connection:
        append(connection, [NewEvent(requested, METADATA, 0) for requested in requests])
    asyncio.run(report_all(stack, requests))
    query = "SELECT count(*) FROM ledger.events WHERE type = 'TrainingFinished'"
    with service(stack, "orchestrator"):
        seconds_until(orchestrator, query.replace("TrainingFinished", "TrainingStarted"), 1)
        return N_RUNS * (N_FOLDS + 1) / seconds_until(orchestrator, query, N_RUNS)


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="how long each append row runs [3]")
    options = parser.parse_args()
    figures = Figures("throughput, fsync on", ("what", "per second"))
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as folder, Stack(Path(folder) / "stack") as stack:
        stack.start_servers()
        stack.migrate()
        passwords = stack.credentials.database()
        engines = {
            name: create_engine(stack.postgres.url(role_of(name), passwords[name]), pool_size=max(WRITERS))
            for name in ("ingest", "relay", "orchestrator")
        }
        for writers in WRITERS:
            for batch in (1, BATCH):
                rate = appends_per_second(engines["ingest"], writers, batch, options.seconds)
                figures.add(f"appends, {writers} writers, {batch} a transaction", rate)
        backlog, rate = relay_per_second(stack, engines["relay"])
        figures.add(f"relay, a backlog of {backlog:,} events", rate)
        for writers in WRITERS:
            figures.add(
                f"relay, while {writers} append one a transaction", relay_beside(stack, engines, writers, options.seconds)
            )
        figures.add("orchestrator, reports", reports_per_second(stack, engines["orchestrator"]))
        for engine in engines.values():
            engine.dispose()
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
