"""A station: a sandbox in which the runner has loaded a kit and waits for one job.

Owns what every role has in common: the mounts, the environment variables, the job's folder, the results. A station serves
one job and is gone; the code of a submission enters only with the job. `ColdStations` starts one when it is needed, the
pool in `standby` has some ready: whoever runs jobs does not see the difference.
"""

import fcntl
import json
import math
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self

from shared.artefacts.archives import ArchiveError, ArchiveLimits, read_archive, unpack
from shared.execution.conditions import SEED, VARIABLES
from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox.port import (
    EndedBy,
    Limits,
    Mount,
    RunningSandbox,
    Sandbox,
    SandboxError,
    SandboxResult,
    SandboxSpec,
)

_RUNNER = Path(__file__).parent / "runner"
_MAX_RESULT_FILES = 5000
#: Others use the work folder, too: this tells a station's folder.
_NAME_END = ".station"
_SURELY_HELD_S = 60.0
#: A cold import of a large kit on a busy machine takes seconds; a kit that takes minutes hangs.
SETUP_LIMIT_S = 300.0


class Role(StrEnum):
    """What a station is for."""

    PREPARE = "prepare"
    TRAIN = "train"
    SCORE = "score"
    ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Environment:
    """A kit's Python environment on this host: an unpacked pack, and the interpreter it runs on."""

    folder: Path
    interpreter: Interpreter

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What a sandbox must see for `/environment/bin/python` to run."""
        return (*self.interpreter.mounts, Mount(self.folder, "/environment"))


@dataclass(frozen=True)
class StationSpec:
    """All of a station but its job. Equal specifications make stations that are interchangeable."""

    role: Role
    environment: Environment
    kit: Mount
    data: tuple[Mount, ...]
    limits: Limits
    #: Modules to import before any job.
    preload: tuple[str, ...] = ()


class NotReadyError(Exception):
    """The kit did not load: the station ended, or took too long, before any job was there."""

    def __init__(self, result: SandboxResult) -> None:
        super().__init__("the kit does not load")
        self.result = result


class Stopped:
    """Somebody's wish that a job ends now, such as a withdrawal. From any thread, before or while the job runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: RunningSandbox | None = None
        self.is_set = False

    def set(self) -> None:
        """End the job; if it has not begun, it ends as soon as it does."""
        with self._lock:
            self.is_set = True
            if self._running:
                self._running.kill()

    def watch(self, running: RunningSandbox) -> None:
        """From now on, this is what ends."""
        with self._lock:
            self._running = running
            if self.is_set:
                running.kill()


@dataclass(frozen=True)
class Done:
    """What came out of a station: how it ended, and the results as a file that nobody has checked, there as long as the station."""

    sandbox: SandboxResult
    _results: Path
    _limits: Limits

    def files(self) -> dict[str, bytes] | None:
        """The results in memory; None if they are not whole, since the program ended before it was done."""
        if self.sandbox.ended_by is not EndedBy.EXIT:
            return None
        try:
            return read_archive(self._results.read_bytes(), self._archive_limits)
        except ArchiveError:
            return None

    def unpack_into(self, folder: Path) -> bool:
        """Write the results to a folder; False, with part of them written, if they are not whole."""
        if self.sandbox.ended_by is not EndedBy.EXIT:
            return False
        try:
            unpack(self._results, folder, self._archive_limits)
        except ArchiveError:
            return False
        return True

    @property
    def _archive_limits(self) -> ArchiveLimits:
        return ArchiveLimits(max_bytes=self._limits.output_bytes, max_files=_MAX_RESULT_FILES)


class Station:
    """One started station. Use it as a context: at the end, it and its folder are gone."""

    def __init__(self, sandbox: Sandbox, spec: StationSpec, work_folder: Path) -> None:
        self.spec = spec
        work_folder.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{spec.role}-", suffix=_NAME_END, dir=work_folder))
        # Held as long as this process lives: what nobody holds was left by one that died.
        self._hold = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._hold, fcntl.LOCK_EX)
        self._job = self._folder / "job"
        self._job.mkdir()
        # Read inside by another user than the one who made it.
        self._job.chmod(0o755)
        self._results = self._folder / "results.tar"
        try:
            self.running = sandbox.start(self._sandbox_spec())
        except SandboxError:
            self._remove()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.discard()

    def _sandbox_spec(self) -> SandboxSpec:
        spec = self.spec
        return SandboxSpec(
            argv=("/environment/bin/python", "-s", "-B", "/runner/start.py", spec.role, *spec.preload),
            mounts=(
                *spec.environment.mounts,
                Mount(_RUNNER, "/runner/palio_runner"),
                Mount(_RUNNER / "start.py", "/runner/start.py"),
                spec.kit,
                *spec.data,
                Mount(self._job, "/job"),
            ),
            limits=spec.limits,
            environment=VARIABLES,
            results=self._results,
            waits_for_line=True,
        )

    def run(
        self,
        job: Mapping[str, object],
        files: Mapping[str, Path],
        stopped: Stopped | None = None,
        *,
        heard: Callable[[bytes], None] | None = None,
        setup_limit_s: float = SETUP_LIMIT_S,
    ) -> Done:
        """Run the one job. `files` are put into `/job` under their names: files by link where possible, folders copied.

        `heard` is called with what the job prints, as it does; see `RunningSandbox.listen`.

        Raises `NotReadyError` if the kit does not load, `SandboxError` if the machine fails. Whatever the job does is in
        what is returned.
        """
        if stopped:
            stopped.watch(self.running)
        if not self.running.wait_until_ready(setup_limit_s):
            self.running.kill()
            result = self.running.wait()
            if not (stopped and stopped.is_set):
                raise _not_ready(result)
            return Done(result, self._results, self.spec.limits)
        for name, source in files.items():
            _place(source, self._job / name)
        if heard:
            self.running.listen(heard)
        cpu_time_s = self.spec.limits.cpu_time_s
        conditions = {"seed": SEED, "cpu_time_s": cpu_time_s if math.isfinite(cpu_time_s) else None}
        self.running.send_line(json.dumps({**job, **conditions}).encode())
        return Done(self.running.wait(), self._results, self.spec.limits)

    def discard(self) -> None:
        """End it, used or not, and remove its folder."""
        self.running.kill()
        try:
            self.running.wait()
        finally:
            self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1


class Stations(Protocol):
    """Where stations come from."""

    def take(self, spec: StationSpec) -> AbstractContextManager[Station]:
        """A station for one job, for as long as the context lasts. Raises `SandboxError`."""


class ColdStations:
    """Starts a station when it is asked for. Several processes may share the work folder."""

    def __init__(self, sandbox: Sandbox, work_folder: Path) -> None:
        self._sandbox = sandbox
        self._work_folder = work_folder
        _remove_left_behind(work_folder)

    def take(self, spec: StationSpec) -> Station:
        """A station that has just been started; it is its own context."""
        return Station(self._sandbox, spec, self._work_folder)


def _remove_left_behind(work_folder: Path) -> None:
    """Remove the folders of stations whose process died."""
    for folder in work_folder.glob(f"*{_NAME_END}") if work_folder.is_dir() else ():
        with suppress(OSError):
            hold = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # One that was made at this moment is not held yet.
                if time.time() - os.fstat(hold).st_mtime > _SURELY_HELD_S:
                    fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(hold)


def _not_ready(result: SandboxResult) -> Exception:
    words = result.log.decode(errors="replace").strip()
    if result.ended_by is EndedBy.EXIT and words.startswith(("bwrap: ", "setpriv: ", "prlimit: ")):
        return SandboxError(f"the sandbox could not be set up: {words}")
    return NotReadyError(result)


def _place(source: Path, target: Path) -> None:
    """Put a file or a folder where the sandbox sees it, readable by the user inside whatever the umask here is."""
    if source.is_dir():
        for parent, _, names in os.walk(source):
            folder = target / Path(parent).relative_to(source)
            folder.mkdir(parents=True)
            folder.chmod(0o755)
            for name in names:
                shutil.copyfile(Path(parent, name), folder / name, follow_symlinks=False)
                (folder / name).chmod(0o644)
        return
    try:
        if source.stat().st_mode & stat.S_IROTH:
            # The same file under another name: inside it is read-only, whoever owns it.
            target.hardlink_to(source)
            return
    except OSError:
        # Another file system.
        pass
    shutil.copyfile(source, target)
    target.chmod(0o644)
