"""What a sandbox costs: nothing run bare and sandboxed, a fold that trains nothing, and how many of each a second.

The files are those that a real platform prepared; it is ended before anything is measured. A cold station starts a sandbox and
imports the kit, a standby one has done so before; each serves one fold. Medians; rates are those of a process a core.

Examples:
  .venv/bin/python -m benchmarks.sandbox_cost
  .venv/bin/python -m benchmarks.sandbox_cost --repeats 31 --seconds 10 --json

"""

import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import create_engine

from benchmarks.figures import Arguments, Figures
from benchmarks.people import KITS, STARTER, Platform, median_seconds, open_challenge, platform
from shared.artefacts import Store
from shared.events import FoldLimits, Outcome
from shared.execution.sandbox import Bubblewrap, Limits, SandboxSpec
from shared.execution.stations import ColdStations, Station, Stations, StationSpec
from shared.execution.training import LocalProblem, train_fold, train_station
from shared.prepared_problems import newest_prepared
from shared.settings import CacheSettings, StoreSettings
from shared.workbench import ProblemOnHost, Workbench

NOTHING = "/usr/bin/true"
#: The kits' folders, by the words that the table has for them.
MEASURED = {"numpy": KITS / "light", "RAMP": KITS / "eight_folds"}
_LIMITS = Limits(wall_time_s=20, memory_bytes=64 << 20, file_bytes=1, output_bytes=1, log_bytes=4096, processes=8)
_FOLD_LIMITS = FoldLimits.model_validate({})
_READY_LIMIT_S = 60.0


@contextmanager
def problem_on_host(stage: Platform, problem: str, cache: Path) -> Iterator[ProblemOnHost]:
    """A prepared problem as a trainer has it, laid out below `cache`; there after the platform is gone, too."""
    environment = stage.stack.services.environment("trainer-1")
    names = ("s3_endpoint", "s3_access_key", "s3_secret_key")
    store = Store(StoreSettings.model_validate({name: environment[f"PALIO_{name.upper()}"] for name in names}))
    engine = create_engine(stage.stack.postgres.owner_url())
    with engine.connect() as connection:
        prepared = newest_prepared(connection, problem)
    engine.dispose()
    if prepared is None:
        raise RuntimeError(f"{problem} is not prepared")
    with Workbench(store, CacheSettings(cache_dir=cache)).problem(prepared.manifest_digest) as on_host:
        yield on_host


def run_nothing(sandbox: Bubblewrap) -> None:
    """A program that does nothing, in a sandbox of its own."""
    result = sandbox.start(SandboxSpec(argv=(NOTHING,), mounts=(), limits=_LIMITS)).wait()
    if result.exit_code != 0:
        raise RuntimeError(f"the sandbox ended with {result}")


def run_fold(stations: Stations, problem: LocalProblem, fold: Path, submission: Path, folder: Path) -> None:
    """One fold of a submission that does next to nothing, up to the checked predictions."""
    result = train_fold(stations, problem, fold, submission, _FOLD_LIMITS, folder / "predictions.tar")
    if result.outcome is not Outcome.TRAINED:
        raise RuntimeError(f"{result.outcome}: {result.reason}\n{result.traceback}")


class Ready:
    """A station that has imported the kit and waits, for whoever asks for one."""

    def __init__(self, cold: ColdStations, spec: StationSpec) -> None:
        self._station = cold.take(spec)
        if not self._station.running.wait_until_ready(_READY_LIMIT_S):
            raise RuntimeError("the kit does not load")

    def take(self, _spec: StationSpec) -> Station:
        """It; whoever takes it ends it."""
        return self._station


def per_second(one: Callable[[], None], seconds: float) -> float:
    """How often `one`, which can be pickled, is done a second by as many processes as there are cores."""
    processes = multiprocessing.get_context("spawn")
    cores = os.cpu_count() or 1
    barrier = processes.Barrier(cores)
    with ProcessPoolExecutor(cores, mp_context=processes, initializer=_together, initargs=(barrier,)) as pool:
        return sum(pool.map(_rate, [one] * cores, [seconds] * cores))


_barrier: Barrier


def _together(barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 (a process of a pool has no other place)
    _barrier = barrier


def _rate(one: Callable[[], None], seconds: float) -> float:
    _barrier.wait()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        one()
        count += 1
    return count / (time.perf_counter() - start)


def _one_sandbox() -> None:
    run_nothing(Bubblewrap())


def _one_cold_fold(problem: LocalProblem, fold: Path, submission: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as name:
        run_fold(ColdStations(Bubblewrap(), Path(name)), problem, fold, submission, Path(name))


def sandboxes_per_second(seconds: float) -> float:
    """Sandboxes that do nothing, on all cores."""
    return per_second(_one_sandbox, seconds)


def folds_per_second(on_host: ProblemOnHost, kit: Path, seconds: float) -> float:
    """Folds that train nothing, on all cores, each in a sandbox that has to import the kit first."""
    return per_second(partial(_one_cold_fold, on_host.local, on_host.folds[0], kit / "submissions" / STARTER), seconds)


def _measure_nothing(figures: Figures, repeats: int, seconds: float) -> None:
    sandbox = Bubblewrap()
    bare = median_seconds(lambda _: subprocess.run([NOTHING], check=True), repeats)
    figures.add(f"{NOTHING}, a process", bare * 1000, None)
    sandboxed = median_seconds(lambda _: run_nothing(sandbox), repeats)
    figures.add(f"{NOTHING}, a sandbox", sandboxed * 1000, sandboxes_per_second(seconds))


def _measure_kit(figures: Figures, kit: str, on_host: ProblemOnHost, folder: Path, repeats: int, seconds: float) -> None:
    local, fold, submission = on_host.local, on_host.folds[0], MEASURED[kit] / "submissions" / STARTER
    imported: list[str | Path] = [local.environment.folder / "bin/python", "-s", "-B", "-c", "import problem"]
    bare = median_seconds(lambda _: subprocess.run(imported, cwd=local.files.kit, check=True), repeats)
    figures.add(f"{kit} kit imported, a process", bare * 1000, None)
    cold = ColdStations(Bubblewrap(), folder)
    cold_s = median_seconds(lambda _: run_fold(cold, local, fold, submission, folder), repeats)
    figures.add(f"{kit} kit, a fold, cold station", cold_s * 1000, folds_per_second(on_host, MEASURED[kit], seconds))
    spec = train_station(local, _FOLD_LIMITS)
    ready = [Ready(cold, spec) for _ in range(repeats)]
    standby_s = median_seconds(lambda number: run_fold(ready[number], local, fold, submission, folder), repeats)
    figures.add(f"{kit} kit, a fold, standby station", standby_s * 1000, None)


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=15, help="how often each is done [15]")
    parser.add_argument("--seconds", type=float, default=5, help="how long each rate is measured [5]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="palio-benchmark-") as name, ExitStack() as leases:
        folder = Path(name)
        with platform() as stage:
            for kit, source in MEASURED.items():
                open_challenge(stage, kit.lower(), source)
            on_host = {kit: leases.enter_context(problem_on_host(stage, kit.lower(), folder / "cache")) for kit in MEASURED}
        figures = Figures("what a sandbox costs", ("what", "ms", "per second on all cores"))
        _measure_nothing(figures, options.repeats, options.seconds)
        for kit in MEASURED:
            _measure_kit(figures, kit, on_host[kit], folder / "work", options.repeats, options.seconds)
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
