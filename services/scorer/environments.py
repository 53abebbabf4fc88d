"""Environments of kits, from the scorer's side: requirements read, locked, built once however many ask, stored.

What is built is remembered on this host by the lock it was made from: two problems, or two versions of one, with the same lock
share the environment. Another scorer that builds the same lock makes another pack, which does no harm.
"""

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from shared.artefacts import Bucket, Store, content_key
from shared.artefacts.archives import ArchiveLimits, unpack
from shared.events import ProblemPublished
from shared.execution.environments.build import Builder, EnvironmentBuildError
from shared.execution.environments.interpreters import Interpreter, find_interpreter
from shared.execution.environments.requirements import requirements_of
from shared.execution.stations import Environment
from shared.telemetry import get_logger
from shared.workbench import Workbench

log = get_logger(__name__)
T = TypeVar("T")

DEFAULT_PYTHON_VERSION = "3.11"
#: The index may be away for a moment. After these pauses, in seconds, its words are the organiser's to read.
RETRY_PAUSES_S = (2.0, 10.0)
CODE_LIMITS = ArchiveLimits(max_bytes=8 * 2**30)


@dataclass(frozen=True)
class BuiltEnvironment:
    """A packed environment in bucket `prepared`, and the lock it was made from."""

    digest: str
    lock: str
    python_version: str


class EnvironmentShop:
    """Makes environments. Blocking; one build at a time, so that a second asker finds the first one's."""

    def __init__(self, store: Store, workbench: Workbench, builder: Builder, folder: Path) -> None:
        self._store = store
        self._workbench = workbench
        self._builder = builder
        self._folder = folder
        self._building = threading.Lock()

    def environment_of(self, kit_archive: Path, published: ProblemPublished) -> BuiltEnvironment:
        """The environment that a kit asks for, built and stored if it is new.

        Raises `RequirementsError`, `EnvironmentBuildError`, `MissingInterpreterError`, `ArchiveError`.
        """
        with tempfile.TemporaryDirectory(prefix="palio-kit-") as folder:
            kit = Path(folder) / "kit"
            unpack(kit_archive, kit, CODE_LIMITS)
            requirements = requirements_of(kit, published.requirements)
        for note in requirements.notes:
            log.info("requirements_note", problem=published.problem_id, note=note)
        interpreter = find_interpreter(published.python_version or requirements.python_version or DEFAULT_PYTHON_VERSION)
        with self._building:
            lock = _patiently(lambda: self._builder.resolve(requirements.lines, interpreter, published.as_of))
            digest = self._known(lock, interpreter) or self._build(lock, interpreter)
        return BuiltEnvironment(digest, lock, interpreter.version)

    def unpacked(self, digest: str, python_version: str) -> AbstractContextManager[Environment]:
        """An environment on this host, for as long as the context lasts."""
        return self._workbench.environment(digest, python_version)

    def _build(self, lock: str, interpreter: Interpreter) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pack-", dir=self._folder) as folder:
            started = time.monotonic()
            pack = _patiently(lambda: self._builder.build(lock, interpreter, Path(folder) / "environment.tar.zst"))
            self._store.put_file(Bucket.PREPARED, content_key(pack.digest), pack.path)
            log.info("environment_built", digest=pack.digest, bytes=pack.path.stat().st_size, seconds=time.monotonic() - started)
        # Remembered after it is stored: a death in between builds it again.
        note = self._note(lock, interpreter)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(pack.digest)
        return pack.digest

    def _known(self, lock: str, interpreter: Interpreter) -> str | None:
        note = self._note(lock, interpreter)
        digest = note.read_text() if note.exists() else None
        # The note outlives a store that was emptied.
        return digest if digest and self._store.holds(Bucket.PREPARED, content_key(digest)) else None

    def _note(self, lock: str, interpreter: Interpreter) -> Path:
        return self._folder / "built" / hashlib.sha256(f"{interpreter.full_version}\n{lock}".encode()).hexdigest()


def _patiently(build: Callable[[], T]) -> T:
    """Try again where that can help: an index that does not answer may do so in a moment, a version that is not there won't."""
    for pause_s in RETRY_PAUSES_S:
        try:
            return build()
        except EnvironmentBuildError as error:
            if not error.is_temporary:
                raise
            log.warning("index_is_away", reason=error.reason, pause_s=pause_s)
            time.sleep(pause_s)
    return build()
