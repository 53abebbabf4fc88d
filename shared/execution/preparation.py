"""Preparing a problem: from a kit and its private data to the files that trainers and the scorer need.

The kit is an organiser's code: it runs in a sandbox too, in a copy of its folder, with its data and no network.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.artefacts.archives import ArchiveError, ArchiveLimits, digest_of, pack_folder, unpack
from shared.execution.prepared import Description, Manifest
from shared.execution.sandbox.port import Limits, Mount, Sandbox
from shared.execution.stations import ColdStations, Environment, NotReadyError, Role, StationSpec
from shared.execution.words import shown, why_ended

_SCRIPT = "prepare_data.py"
_MAX_REASON_CHARS = 1000
_MAX_DETAIL_CHARS = 40_000
#: Left in folders that are mounted later, since archives keep no empty ones.
_MOUNT_POINT = ".shown"
_NOT_FOR_TRAINERS = frozenset({"data", "submissions", ".git"})


class KitError(Exception):
    """The kit cannot be used. `reason` is one sentence; `detail` the organiser's own traceback or log, or None."""

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.reason = shown(reason, _MAX_REASON_CHARS)
        self.detail = None if detail is None else shown(detail, _MAX_DETAIL_CHARS)

    @property
    def for_organiser(self) -> str:
        """All of it: words of code that may have held labels."""
        return f"{self.reason}\n\n{self.detail or ''}"


class _Fault(BaseModel):
    """What the runner says of a kit that failed."""

    model_config = ConfigDict(extra="forbid")

    reason: str
    traceback: str | None


@dataclass(frozen=True)
class Upload:
    """What an organiser uploaded. The private archive is laid over the kit's.

    `label_free_folders` are paths of folders in the two, such as `data/images`, that X refers to and submissions may see.
    """

    kit: Path
    private: Path | None
    limits: ArchiveLimits
    label_free_folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class PreparedProblem:
    """What is to be stored, as files below the folder that was given.

    `for_trainers`, by digest, go to bucket `prepared`, and the manifest, which names them, too. `labels` go to bucket
    `private`. `log` is what the kit printed.
    """

    description: Description
    manifest: Manifest
    for_trainers: dict[str, Path]
    labels: Path
    labels_digest: str
    log: bytes


def prepare_problem(
    sandbox: Sandbox, environment: Environment, environment_digest: str, upload: Upload, out: Path, limits: Limits
) -> PreparedProblem:
    """Run the kit's own preparation, and store X, folds, masked labels and labels below `out`, an empty folder.

    If the private archive holds `prepare_data.py`, that is run first, in the kit's folder. Of the limits, `output_bytes` must
    hold the unpacked kit with its data, and X and y once more. Raises `KitError` for whatever is the organiser's to mend,
    `SandboxError` if the machine fails; then `out` holds nothing of use.
    """
    kit = out / "kit"
    try:
        return _prepared(sandbox, environment, environment_digest, upload, kit, limits)
    finally:
        _remove(kit)


def _prepared(
    sandbox: Sandbox, environment: Environment, environment_digest: str, upload: Upload, kit: Path, limits: Limits
) -> PreparedProblem:
    """The same, while the kit is there."""
    out, results = kit.parent, kit.with_name("results")
    runs_script = _unpack(upload, kit)
    spec = StationSpec(Role.PREPARE, environment, Mount(kit, "/kit", writable=True), (), limits)
    log = _run(ColdStations(sandbox, out / "work"), spec, results, runs_script=runs_script)
    _open(kit)
    if (results / "fault.json").exists():
        raise _kit_error(results / "fault.json")
    try:
        description = Description.model_validate_json((results / "description.json").read_bytes())
    except (ValidationError, OSError) as error:
        raise KitError("problem.py describes something that cannot be shown", str(error)) from error
    files = _Files(out, results, kit, upload)
    manifest = files.manifest(description, environment_digest, environment.interpreter.version)
    labels = out / "labels.tar"
    labels_digest = pack_folder(results / "labels", labels)
    return PreparedProblem(description, manifest, files.by_digest, labels, labels_digest, log)


def _open(folder: Path) -> None:
    """Make what a stranger's code left readable to us, who own it: it may have closed folders to everybody."""
    subprocess.run(["chmod", "-R", "u+rwX", "--", folder], check=False, capture_output=True)


def _remove(folder: Path) -> None:
    """Remove it, however deep and however closed: `shutil.rmtree` calls itself for each folder in a folder, and gives up."""
    _open(folder)
    subprocess.run(["rm", "-rf", "--", folder], check=True, capture_output=True)


def _unpack(upload: Upload, kit: Path) -> bool:
    """Make the kit's folder; returns whether the private archive has a script to run."""
    names: tuple[str, ...] = ()
    try:
        unpack(upload.kit, kit, upload.limits)
        if upload.private:
            names = unpack(upload.private, kit, upload.limits, over=True)
    except ArchiveError as error:
        raise KitError(str(error)) from error
    for folder in upload.label_free_folders:
        path = PurePosixPath(folder)
        if path.is_absolute() or ".." in path.parts or not path.parts or not (kit / path).is_dir():
            raise KitError(f"the label-free folder {folder!r} is neither in the kit nor in the private data")
    return _SCRIPT in names


def _run(stations: ColdStations, spec: StationSpec, results: Path, *, runs_script: bool) -> bytes:
    """Unpack what the kit's preparation sends to `results`; returns the log."""
    with stations.take(spec) as station:
        try:
            done = station.run({"prepare_data": runs_script}, {})
        except NotReadyError as error:
            raise KitError("nothing starts in this kit's environment: does it hold numpy?", _text(error.result.log)) from error
        if not done.unpack_into(results):
            words = why_ended(done.sandbox, spec.limits)
            raise KitError(f"preparing the problem failed: {words}", _text(done.sandbox.log))
    return done.sandbox.log


def _kit_error(path: Path) -> KitError:
    try:
        fault = _Fault.model_validate_json(path.read_bytes())
    except ValidationError:
        return KitError("preparing the problem failed, and what the kit says of it cannot be read")
    return KitError(fault.reason, fault.traceback)


def _text(log: bytes) -> str:
    return log.decode(errors="replace")


class _Files:
    """The files for trainers, collected from what the sandbox sent and what was uploaded."""

    def __init__(self, out: Path, results: Path, kit: Path, upload: Upload) -> None:
        self._out = out
        self._results = results
        self._kit = kit
        self._upload = upload
        self.by_digest: dict[str, Path] = {}

    def manifest(self, description: Description, environment_digest: str, python_version: str) -> Manifest:
        shown_folders = self._upload.label_free_folders
        return Manifest(
            **description.model_dump(),
            kit=self._packed_kit(),
            x_train=self._kept("x_train"),
            x_test=None if description.n_test is None else self._kept("x_test"),
            folds=tuple(self._kept(f"folds/{fold}") for fold in range(description.n_folds)),
            shown=shown_folders,
            shown_folders=self._packed_shown() if shown_folders else None,
            environment=environment_digest,
            python_version=python_version,
        )

    def _kept(self, name: str) -> str:
        path = self._results / name
        if not path.is_file():
            raise KitError(f"preparing the problem gave no {name}")
        digest = digest_of(path)
        self.by_digest[digest] = path
        return digest

    def _packed_kit(self) -> str:
        """The kit as uploaded, since the copy was in the hands of its code, without anything that may hold labels."""
        code = self._out / "code"
        unpack(self._upload.kit, code, self._upload.limits)
        points = {f"{PurePosixPath(folder)}/{_MOUNT_POINT}" for folder in self._upload.label_free_folders}
        for point in points:
            (code / point).parent.mkdir(parents=True, exist_ok=True)
            (code / point).touch()
        digest = self._packed(code, "kit.tar", lambda name: name not in points and _is_not_for_trainers(name))
        shutil.rmtree(code)
        return digest

    def _packed_shown(self) -> str:
        missing = {f"{PurePosixPath(folder)}/" for folder in self._upload.label_free_folders}
        inside = tuple(missing)

        def leave_out(name: str) -> bool:
            missing.difference_update(folder for folder in inside if name.startswith(folder))
            return not name.startswith(inside)

        digest = self._packed(self._kit, "shown.tar", leave_out)
        for folder in missing:
            # A trainer would have nothing to mount there.
            raise KitError(f"the label-free folder {folder.rstrip('/')!r} holds no file once the problem is prepared")
        return digest

    def _packed(self, folder: Path, name: str, leave_out: Callable[[str], bool]) -> str:
        target = self._out / name
        try:
            digest = pack_folder(folder, target, leave_out=leave_out)
        except ArchiveError as error:
            raise KitError(str(error)) from error
        self.by_digest[digest] = target
        return digest


def _is_not_for_trainers(name: str) -> bool:
    return name.split("/", 1)[0] in _NOT_FOR_TRAINERS or name.endswith(".ipynb")
