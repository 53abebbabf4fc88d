"""A problem laid out on this host: what the object store holds of it, brought into the local cache, ready to be mounted.

Used by the trainer (what it may have of a problem) and the scorer (that, and the labels). Everything is named by its content,
so what is in the cache once is never fetched again, whichever version of a problem it belongs to.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.artefacts import Bucket, Store, content_key
from shared.artefacts.archives import ArchiveLimits, unpack
from shared.events import ProblemPrepared
from shared.execution.cache import Cache
from shared.execution.environments.interpreters import find_interpreter
from shared.execution.environments.unpacking import unpack_environment
from shared.execution.prepared import LabelFiles, Manifest, PreparedFiles
from shared.execution.sandbox import Bubblewrap, CgroupError, Sandbox, open_cgroups
from shared.execution.self_test import require_limits
from shared.execution.standby import StandbyStations
from shared.execution.stations import ColdStations, Environment
from shared.execution.training import LocalProblem
from shared.settings import CacheSettings, SandboxSettings
from shared.telemetry import get_logger

log = get_logger(__name__)

#: Archives in the cache were checked when they came in, or are our own; this bounds what a broken-into store could unpack.
MAX_UNPACKED_FILES = 1_000_000


@dataclass(frozen=True)
class ProblemOnHost:
    """A prepared problem on this host, and the file of each fold."""

    local: LocalProblem
    folds: tuple[Path, ...]


@dataclass(frozen=True)
class LabelsOnHost:
    """What scoring a run of a problem needs."""

    environment: Environment
    manifest: Manifest
    files: LabelFiles


class Workbench:
    """Lays problems out. Blocking: call it in a thread. Safe among threads and processes that share the cache."""

    def __init__(self, store: Store, settings: CacheSettings) -> None:
        self._store = store
        self._cache = Cache(settings.cache_dir / "artefacts", settings.cache_max_bytes)
        #: Stops unpacking what could not stay, before it fills the disk.
        self._limits = ArchiveLimits(max_bytes=settings.cache_max_bytes, max_files=MAX_UNPACKED_FILES)

    @contextmanager
    def problem(self, manifest_digest: str) -> Iterator[ProblemOnHost]:
        """What a trainer needs of a problem; its files stay in the cache for as long as the context lasts.

        Raises `MissingArtefactError`, `MissingInterpreterError`, `ArchiveError`, `TooLargeError`.
        """
        with ExitStack() as leases:
            manifest = self._manifest(leases, manifest_digest)
            files = PreparedFiles(
                kit=self._unpacked(leases, Bucket.PREPARED, manifest.kit),
                x_train=self._file(leases, manifest.x_train),
                x_test=self._file(leases, manifest.x_test) if manifest.x_test else None,
                shown_folders=self._unpacked(leases, Bucket.PREPARED, manifest.shown_folders) if manifest.shown_folders else None,
            )
            environment = leases.enter_context(self.environment(manifest.environment, manifest.python_version))
            folds = tuple(self._file(leases, digest) for digest in manifest.folds)
            yield ProblemOnHost(LocalProblem(environment, manifest, files), folds)

    @contextmanager
    def labels(self, prepared: ProblemPrepared) -> Iterator[LabelsOnHost]:
        """What the scorer needs to score a run. Raises as `problem` does."""
        with ExitStack() as leases:
            manifest = self._manifest(leases, prepared.manifest_digest)
            files = LabelFiles(
                folder=self._unpacked(leases, Bucket.PRIVATE, prepared.labels_digest),
                kit=self._unpacked(leases, Bucket.PREPARED, manifest.kit),
            )
            environment = leases.enter_context(self.environment(manifest.environment, manifest.python_version))
            yield LabelsOnHost(environment, manifest, files)

    def manifest(self, digest: str) -> Manifest:
        """What a prepared problem consists of. Raises `MissingArtefactError`."""
        with ExitStack() as leases:
            return self._manifest(leases, digest)

    @contextmanager
    def environment(self, digest: str, python_version: str) -> Iterator[Environment]:
        """A packed environment, unpacked for the interpreter of this host. Raises as `problem` does."""
        interpreter = find_interpreter(python_version)

        def unpack_here(pack: Path, folder: Path) -> None:
            unpack_environment(pack, folder, interpreter, self._limits)

        # What is unpacked is joined with an interpreter by its path: another one gets its own.
        place = hashlib.sha256(f"{interpreter.executable} {interpreter.full_version}".encode()).hexdigest()[:16]
        with self._cache.get(f"{digest}-{place}", self._fetch(Bucket.PREPARED, digest), unpack_here) as folder:
            yield Environment(folder, interpreter)

    def _manifest(self, leases: ExitStack, digest: str) -> Manifest:
        return Manifest.model_validate_json(self._file(leases, digest).read_bytes())

    def _file(self, leases: ExitStack, digest: str) -> Path:
        return leases.enter_context(self._cache.get(digest, self._fetch(Bucket.PREPARED, digest), None))

    def _unpacked(self, leases: ExitStack, bucket: Bucket, digest: str) -> Path:
        return leases.enter_context(self._cache.get(digest, self._fetch(bucket, digest), partial(unpack, limits=self._limits)))

    def _fetch(self, bucket: Bucket, digest: str) -> Callable[[Path], None]:
        return lambda path: self._store.get_file(bucket, content_key(digest), path)


def open_stations(settings: CacheSettings, sandbox: Sandbox) -> StandbyStations:
    """Where sandboxes for kits come from, as a context: some kept ready, as many as the settings say, others started when needed."""
    return StandbyStations(cold_stations(settings, sandbox), settings.standby_sandboxes)


def cold_stations(settings: CacheSettings, sandbox: Sandbox) -> ColdStations:
    """Sandboxes for kits that are started when needed: for what is not in a hurry, or whose files change with every job."""
    return ColdStations(sandbox, settings.cache_dir / "work")


def open_sandbox(settings: SandboxSettings) -> Sandbox:
    """The sandbox of a service, after every limit of it was tried.

    Raises `SandboxError` if there is none, or for a limit that this machine does not give: before any work is taken, with the
    command that mends it.
    """
    cgroups = None
    if settings.cgroups == "auto":
        try:
            cgroups = open_cgroups()
        except CgroupError as error:
            log.info("no_control_groups", reason=str(error))
    sandbox = Bubblewrap(cgroups=cgroups)
    sandbox.check()
    for missing in require_limits(sandbox, settings.accept_missing_limits):
        log.warning("limit_missing", limit=missing.limit, seen=missing.seen)
    return sandbox
