"""Environments of kits, from the scorer's side: requirements read, locked, built once however many ask, stored.

What is built is remembered beside it in the object store, by the lock, Python and platform it was made for: problems with the
same lock share the environment, whichever scorer prepares them. Scorers take turns at a lock, so that two that need the same
at the same moment build it once. Under faults: the pack is stored before the note, so a death in between builds it again; a
scorer that loses the database loses its turn, and another may build the same meanwhile, which does no harm.
"""

import hashlib
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, text

from shared.artefacts import Bucket, MissingArtefactError, Store, content_key, environment_key
from shared.artefacts.archives import ArchiveLimits, unpack
from shared.events import ProblemPublished
from shared.execution.environments.build import Builder, EnvironmentBuildError
from shared.execution.environments.interpreters import Interpreter
from shared.execution.environments.pythons import python_for
from shared.execution.environments.requirements import requirements_of
from shared.execution.held_folder import held_folder
from shared.execution.stations import Environment
from shared.telemetry import get_logger
from shared.workbench import Workbench

log = get_logger(__name__)
T = TypeVar("T")

#: The index may be away for a moment, or a minute. After these pauses, in seconds, its words are the organiser's to read.
RETRY_PAUSES_S = (2.0, 10.0, 40.0)
#: Between two looks whether another scorer is done with the same lock.
TURN_PAUSE_S = 1.0
CODE_LIMITS = ArchiveLimits(max_bytes=8 * 2**30)


@dataclass(frozen=True)
class BuiltEnvironment:
    """A packed environment in bucket `prepared`, the lock it was made from, and what the kit asked for in vain, in words."""

    digest: str
    lock: str
    python_version: str
    notes: tuple[str, ...]


class EnvironmentShop:
    """Makes environments. Blocking; safe among threads, and among scorers that share database and store."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        workbench: Workbench,
        builder: Builder,
        folder: Path,
        *,
        turn_limit_s: float = 3600.0,
        retry_pauses_s: tuple[float, ...] = RETRY_PAUSES_S,
    ) -> None:
        self._engine = engine
        self._store = store
        self._workbench = workbench
        self._builder = builder
        self._folder = folder
        self._turn_limit_s = turn_limit_s
        self._retry_pauses_s = retry_pauses_s

    def environment_of(self, kit_archive: Path, published: ProblemPublished) -> BuiltEnvironment:
        """The environment that a kit asks for, built and stored if it is new.

        Raises `RequirementsError`, `EnvironmentBuildError`, `MissingInterpreterError`, `ArchiveError`.
        """
        with tempfile.TemporaryDirectory(prefix="palio-kit-") as folder:
            kit = Path(folder) / "kit"
            unpack(kit_archive, kit, CODE_LIMITS)
            requirements = requirements_of(kit, published.requirements)
        interpreter = python_for(published.python_version, requirements.python)
        try:
            lock = self._patiently(lambda: self._builder.resolve(requirements.lines, interpreter, published.as_of))
            digest = self._built(lock, interpreter)
        except EnvironmentBuildError as error:
            raise EnvironmentBuildError(error.reason, with_notes(error.detail, requirements.notes)) from error
        log.info("environment_found", problem=published.problem_id, digest=digest, notes=requirements.notes)
        return BuiltEnvironment(digest, lock, interpreter.version, requirements.notes)

    def unpacked(self, digest: str, python_version: str) -> AbstractContextManager[Environment]:
        """An environment on this host, for as long as the context lasts."""
        return self._workbench.environment(digest, python_version)

    def _built(self, lock: str, interpreter: Interpreter) -> str:
        name = _name_of(lock, interpreter)
        known = self._known(name)
        if known:
            return known
        with self._turn(name):
            # The one whose turn it was may have built it.
            return self._known(name) or self._build(lock, interpreter, name)

    def _build(self, lock: str, interpreter: Interpreter, name: str) -> str:
        with held_folder(self._folder, "pack-") as folder:
            started = time.monotonic()
            pack = self._patiently(lambda: self._builder.build(lock, interpreter, folder / "environment.tar.zst"))
            self._store.put_file(Bucket.PREPARED, content_key(pack.digest), pack.path)
            log.info("environment_built", digest=pack.digest, bytes=pack.path.stat().st_size, seconds=time.monotonic() - started)
        self._store.put_bytes(Bucket.PREPARED, environment_key(name), pack.digest.encode())
        return pack.digest

    def _known(self, name: str) -> str | None:
        try:
            with self._store.stream(Bucket.PREPARED, environment_key(name)) as chunks:
                digest = b"".join(chunks).decode()
        except MissingArtefactError:
            return None
        # A store that was restored in part may hold the one without the other.
        return digest if self._store.holds(Bucket.PREPARED, content_key(digest)) else None

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """One scorer at a time for one lock. After `turn_limit_s` the turn is taken all the same: the other one hangs."""
        key = int.from_bytes(bytes.fromhex(name)[:8], "big", signed=True)
        # Not in a transaction, which would be ended for idling; asked again and again, since waiting locks time out.
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            deadline = time.monotonic() + self._turn_limit_s
            while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
                if time.monotonic() > deadline:
                    log.warning("environment_turn_taken", name=name)
                    break
                time.sleep(TURN_PAUSE_S)
            try:
                yield
            finally:
                # Closed for real: the pool must not keep the lock.
                connection.invalidate()

    def _patiently(self, build: Callable[[], T]) -> T:
        """Try again where that can help: an index that does not answer may do so in a moment, a version that is not there won't."""
        for pause_s in self._retry_pauses_s:
            try:
                return build()
            except EnvironmentBuildError as error:
                if not error.is_temporary:
                    raise
                log.warning("environment_tried_again", reason=error.reason, pause_s=pause_s)
                time.sleep(pause_s)
        return build()


def with_notes(detail: str | None, notes: tuple[str, ...]) -> str | None:
    """What went wrong, and what the kit asked for and did not get: often the one is because of the other."""
    return "\n".join([*([detail.rstrip(), ""] if detail else []), *notes]) if notes else detail


def _name_of(lock: str, interpreter: Interpreter) -> str:
    """What an environment is known by: all that its content depends on."""
    libc = "-".join(platform.libc_ver())
    return hashlib.sha256(f"{interpreter.version} {platform.machine()} {libc}\n{lock}".encode()).hexdigest()
