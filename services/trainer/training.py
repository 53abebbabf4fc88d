"""Training what was requested: a run's canary fold and, if that is quick, the others side by side; or one shared fold.

Under faults: predictions and logs are uploaded before they are reported, and the message is acknowledged after the last
report is confirmed. A death anywhere in between brings the message to another trainer, which tells the orchestrator that it has
come again; what is missing is then requested anew. A fold that was reported is never trained again.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from prometheus_client import Counter, Gauge, Histogram

from services.trainer.live_log import LiveLog
from services.trainer.reporting import Reporter
from shared.artefacts import Bucket, MissingArtefactError, Store, content_key, log_key, predictions_key, traceback_key
from shared.artefacts.archives import ArchiveError, ArchiveLimits, unpack
from shared.bus.consumer import worth_waiting_for
from shared.bus.patience import patiently
from shared.bus.reports import FailedReport, FoldTrainedReport, ReturnedReport, SlowReport, StartedReport
from shared.bus.telemetry import Whisperer
from shared.events import FoldLimits, FoldRequested, Outcome, TrainingRequested
from shared.execution.cache import TooLargeError
from shared.execution.conditions import run_conditions
from shared.execution.environments.interpreters import MissingInterpreterError
from shared.execution.sandbox.port import SandboxError
from shared.execution.stations import Stopped
from shared.execution.training import FoldResult, LocalProblem
from shared.faults import fault_point
from shared.telemetry import get_logger
from shared.workbench import ProblemOnHost, Workbench

log = get_logger(__name__)

FOLDS = Counter("palio_folds_total", "Folds that ran here, by outcome", ["outcome"])
FOLD_SECONDS = Histogram("palio_fold_seconds", "Wall time of a fold's sandbox, in seconds")
BUSY_SLOTS = Gauge("palio_busy_slots", "Slots with a fold in them")

#: A bundle was checked when it came in; this bounds what a broken-into store could make a trainer unpack.
BUNDLE_LIMITS = ArchiveLimits(max_bytes=256 * 2**20, max_files=100)
MAX_REASON_LENGTH = 2_000
#: With fewer folds left, sharing them gains nothing.
MIN_SHARED_FOLDS = 2
#: A machine that fails, fails at once: others get the time to take the request that is made again.
MACHINE_FAILED_PAUSE_S = 2.0

Request = TrainingRequested | FoldRequested
#: Trains one fold, as `shared.execution.training.train_fold` does once it has its sandboxes.
FoldTrainer = Callable[[LocalProblem, Path, Path, FoldLimits, Path, Stopped, Callable[[bytes], None]], FoldResult]


def shared_fold(request: Request) -> int | None:
    """The shared fold that is requested, or None for a run's first request."""
    return request.fold if isinstance(request, FoldRequested) else None


@dataclass(frozen=True)
class Execution:
    """One start of what was requested."""

    request: Request
    id: UUID

    def about(self) -> dict[str, object]:
        """What every report says."""
        return {
            "run_id": self.request.run_id,
            "submission_id": self.request.submission_id,
            "attempt": self.request.attempt,
            "execution_id": self.id,
        }

    def failed(self, outcome: Outcome, reason: str) -> FailedReport:
        """That it is over, through no fault of the submission's."""
        about = {"fold": None, "traceback_digest": None, "log_digest": None}
        return FailedReport.model_validate({**self.about(), **about, "outcome": outcome, "reason": reason[:MAX_REASON_LENGTH]})

    def returned(self, reason: str, words: str = "") -> ReturnedReport:
        """That this trainer does not do it, or not to its end."""
        about = {**self.about(), "shared_fold": shared_fold(self.request), "reason": reason}
        return ReturnedReport.model_validate({**about, "words": words.replace("\0", "")[:MAX_REASON_LENGTH]})


@asynccontextmanager
async def in_thread(context: AbstractContextManager[ProblemOnHost]) -> AsyncIterator[ProblemOnHost]:
    """A context whose beginning and end block, entered and left in threads."""
    value = await asyncio.to_thread(context.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


class FoldFailedError(Exception):
    """A fold ended otherwise than trained, so the run is over; the report says how."""

    def __init__(self, report: FailedReport) -> None:
        super().__init__(report.reason)
        self.report = report


class Slots:
    """A trainer's slots: at most so many folds at a time, however many requests there are."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = 0
        self._free = asyncio.Semaphore(number)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it."""
        async with self._free:
            self.busy += 1
            BUSY_SLOTS.inc()
            try:
                yield
            finally:
                self.busy -= 1
                BUSY_SLOTS.dec()


class RunTrainer:
    """Trains what is requested, on its slots."""

    def __init__(
        self,
        store: Store,
        workbench: Workbench,
        train_fold: FoldTrainer,
        reporter: Reporter,
        whisperer: Whisperer,
        *,
        slots: Slots,
        name: str,
        slow_fold_s: float,
    ) -> None:
        self._store = store
        self._workbench = workbench
        self._fold_trainer = train_fold
        self._reporter = reporter
        self._whisperer = whisperer
        self._slots = slots
        self._name = name
        self._slow_fold_s = slow_fold_s

    async def train(self, request: Request) -> None:
        """Train it and report; returns when the broker holds every report. Raises what a server that is away raises.

        If it is cancelled, its sandboxes end first.
        """
        execution = Execution(request, uuid4())
        try:
            async with in_thread(self._workbench.problem(request.manifest_digest)) as problem:
                await self._train_on(execution, problem)
        except (MissingInterpreterError, TooLargeError) as error:
            await self._reporter.report(
                execution.failed(Outcome.ENVIRONMENT_ERROR, f"this trainer can't use the environment: {error}")
            )
        except (MissingArtefactError, ArchiveError, SandboxError) as error:
            log.exception("machine_failed")
            await asyncio.sleep(MACHINE_FAILED_PAUSE_S)
            await self._reporter.report(execution.returned("machine_failed", str(error)))
        except asyncio.CancelledError:
            raise TrainingStoppedError(execution) from None
        except Exception as error:
            if worth_waiting_for(error):
                raise
            # A defect of ours, which must not end as a submission in training for ever.
            log.exception("training_failed")
            await self._reporter.report(execution.returned("machine_failed", repr(error)))

    async def refuse(self, request: Request, reason: str) -> None:
        """Give it back untouched."""
        await self._reporter.report(Execution(request, uuid4()).returned(reason))

    async def give_back(self, execution: Execution) -> None:
        """Say that it was begun here and stopped, through no fault of its own."""
        await self._reporter.report(execution.returned("stopping"))

    async def _train_on(self, execution: Execution, problem: ProblemOnHost) -> None:
        request = execution.request
        with tempfile.TemporaryDirectory(prefix="palio-run-") as folder:
            submission = Path(folder) / "submission"
            await asyncio.to_thread(self._fetch_bundle, request.bundle_digest, submission)
            conditions = run_conditions(problem.local.environment.interpreter)
            started = {**execution.about(), "trainer": self._name, "shared_fold": shared_fold(request), "conditions": conditions}
            fault_point("trainer", "ready")
            await self._reporter.report(StartedReport.model_validate(started))
            fault_point("trainer", "started")
            try:
                if isinstance(request, FoldRequested):
                    await self._train_fold(execution, problem, submission, request.fold)
                else:
                    await self._train_run(execution, problem, submission)
            except FoldFailedError as failure:
                await self._reporter.report(failure.report)

    async def _train_run(self, execution: Execution, problem: ProblemOnHost, submission: Path) -> None:
        # The canary: most broken code ends here, before it takes a second slot.
        others = range(1, execution.request.n_folds)
        began = asyncio.Event()
        canary = asyncio.create_task(self._train_fold(execution, problem, submission, 0, began))
        try:
            if len(others) >= MIN_SHARED_FOLDS and await self._is_slow(canary, began):
                # While it goes on: with folds of ten seconds, all others would wait for ten seconds more.
                await self._reporter.report(SlowReport.model_validate(execution.about()))
                others = range(0)
            await canary
        finally:
            if not canary.done():
                canary.cancel()
                await asyncio.wait({canary})
        await self._train_folds(execution, problem, submission, others)

    async def _is_slow(self, canary: "asyncio.Task[None]", began: asyncio.Event) -> bool:
        """Whether it still runs when the time is up that a quick one takes; counted from when it has a slot."""
        has_slot = asyncio.create_task(began.wait())
        await asyncio.wait({canary, has_slot}, return_when=asyncio.FIRST_COMPLETED)
        has_slot.cancel()
        await asyncio.wait({canary}, timeout=self._slow_fold_s)
        return not canary.done()

    async def _train_folds(self, execution: Execution, problem: ProblemOnHost, submission: Path, numbers: Iterable[int]) -> None:
        try:
            async with asyncio.TaskGroup() as folds:
                for fold in numbers:
                    folds.create_task(self._train_fold(execution, problem, submission, fold))
        except* Exception as failures:  # noqa: BLE001  (told on, unwrapped)
            # The first is told; the others were ended with it.
            raise failures.exceptions[0] from None

    def _fetch_bundle(self, digest: str, submission: Path) -> None:
        bundle = submission.with_suffix(".tar")
        self._store.get_file(Bucket.SUBMISSIONS, content_key(digest), bundle)
        unpack(bundle, submission, BUNDLE_LIMITS)

    async def _train_fold(
        self, execution: Execution, problem: ProblemOnHost, submission: Path, fold: int, began: asyncio.Event | None = None
    ) -> None:
        """Train, upload, report. Raises `FoldFailedError`; if cancelled, ends the sandbox first. Sets `began` when it has a slot."""
        async with self._slots.one(), LiveLog(self._whisperer, execution.request, fold).sent() as live:
            if began is not None:
                began.set()
            result = await self._in_sandbox(execution, problem, submission, fold, live)
        FOLDS.labels(result.outcome.value).inc()
        FOLD_SECONDS.observe(result.wall_time_s)
        fault_point("trainer", "trained")
        # In place: training again would take as long again, and look like a start that its machine did not survive.
        report = await patiently(lambda: asyncio.to_thread(self._upload, execution, fold, result), "upload")
        fault_point("trainer", "uploaded")
        if isinstance(report, FailedReport):
            raise FoldFailedError(report)
        await self._reporter.report(report)
        fault_point("trainer", "reported")

    async def _in_sandbox(
        self, execution: Execution, problem: ProblemOnHost, submission: Path, fold: int, live: LiveLog
    ) -> FoldResult:
        stopped = Stopped()
        predictions = submission.parent / f"predictions-{fold}.tar"
        work = asyncio.ensure_future(
            asyncio.to_thread(
                self._fold_trainer,
                problem.local,
                problem.folds[fold],
                submission,
                execution.request.limits,
                predictions,
                stopped,
                live.write,
            )
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # A thread can't be cancelled, its sandbox can; its files must stay until it is gone.
            stopped.set()
            await asyncio.wait({work})
            raise

    def _upload(self, execution: Execution, fold: int, result: FoldResult) -> FoldTrainedReport | FailedReport:
        pool, run_id = execution.request.pool, execution.request.run_id
        log_digest = hashlib.sha256(result.log).hexdigest()
        self._store.put_bytes(Bucket.RUNS, log_key(pool, run_id, fold, log_digest), result.log)
        about = {**execution.about(), "fold": fold, "log_digest": log_digest, "log_bytes": len(result.log)}
        if result.predictions is not None:
            digest = hashlib.sha256(result.predictions.read_bytes()).hexdigest()
            self._store.put_file(Bucket.RUNS, predictions_key(pool, run_id, fold, digest), result.predictions)
            return FoldTrainedReport.model_validate({**about, "predictions_digest": digest, "usage": result.usage})
        traceback_digest = None
        if result.traceback is not None:
            content = result.traceback.encode()
            traceback_digest = hashlib.sha256(content).hexdigest()
            self._store.put_bytes(Bucket.RUNS, traceback_key(pool, run_id, traceback_digest), content)
        ending = {"outcome": result.outcome, "reason": result.reason[:MAX_REASON_LENGTH], "traceback_digest": traceback_digest}
        return FailedReport.model_validate({**about, **ending})


class TrainingStoppedError(Exception):
    """Training was cancelled: this start is void."""

    def __init__(self, execution: Execution) -> None:
        super().__init__("stopped")
        self.execution = execution
