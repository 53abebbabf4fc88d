"""Training one fold of a submission: what became of it, from the closed list of outcomes, in words for the participant.

Up to the moment the job is handed over, what goes wrong is the kit's or the machine's fault; from then on it is the
submission's, whatever it did to the process: it shares it with the runner and could say anything.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.events import FoldLimits, FoldUsage, Outcome, PartUsage
from shared.execution.arrays import BadPredictionsError, Expected, checked, packed
from shared.execution.prepared import Manifest, PreparedFiles
from shared.execution.sandbox.port import EndedBy, Limits, Mount, SandboxResult, Usage
from shared.execution.stations import Done, Environment, NotReadyError, Role, Stations, StationSpec, Stopped
from shared.execution.words import shown, why_ended

_MAX_REASON_CHARS = 500
_MAX_TRACEBACK_CHARS = 20_000
_MAX_STATUS_BYTES = 1 << 18
#: Results are read into memory: no more than a few times what right predictions take, or this.
_RESULT_BYTES = 64 << 20
_FLOAT_BYTES = 8

Seconds = Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]


class _Times(BaseModel):
    model_config = ConfigDict(extra="forbid")

    train: Seconds = 0.0
    valid: Seconds = 0.0
    test: Seconds = 0.0


class _Status(BaseModel):
    """What the runner says; a submission may have said it instead."""

    model_config = ConfigDict(extra="forbid")

    stage: Literal["done", "import", "train", "predict", "bad_predictions", "memory", "exit"]
    reason: str
    traceback: str | None
    times_s: _Times


_OUTCOMES = {
    "import": Outcome.IMPORT_ERROR,
    "train": Outcome.TRAIN_ERROR,
    "predict": Outcome.PREDICT_ERROR,
    "bad_predictions": Outcome.BAD_PREDICTIONS,
    "memory": Outcome.MEMORY_LIMIT,
    "exit": Outcome.CRASHED,
}
_ENDED = {
    EndedBy.TIME_LIMIT: Outcome.TIME_LIMIT,
    EndedBy.CPU_TIME_LIMIT: Outcome.TIME_LIMIT,
    EndedBy.MEMORY_LIMIT: Outcome.MEMORY_LIMIT,
    EndedBy.OUTPUT_LIMIT: Outcome.OUTPUT_LIMIT,
    EndedBy.PROCESS_LIMIT: Outcome.CRASHED,
}


@dataclass(frozen=True)
class LocalProblem:
    """A prepared problem with everything of it on this host, unpacked and readable by every user."""

    environment: Environment
    manifest: Manifest
    files: PreparedFiles


@dataclass(frozen=True)
class FoldResult:
    """What became of a fold. `reason` is empty and `predictions` a file if it was trained, else there are none.

    `traceback` is that of the participant's own code; `log` what was printed, any bytes, cut in the middle. If it was not
    trained and printed nothing, the log is a line that says how it ended.
    """

    outcome: Outcome
    reason: str
    traceback: str | None
    log: bytes
    predictions: Path | None
    usage: FoldUsage
    wall_time_s: float


def train_fold(
    stations: Stations,
    problem: LocalProblem,
    fold: Path,
    submission: Path,
    limits: FoldLimits,
    predictions: Path,
    stopped: Stopped | None = None,
    heard: Callable[[bytes], None] | None = None,
) -> FoldResult:
    """Train the submission (a folder) on one fold (a file that the manifest names), and write its predictions to `predictions`.

    Blocks until it is over: call it in a thread. Returns an outcome for whatever the submission does, `kit_error` if the kit
    does not load, `withdrawn` if it was `stopped`. Raises `SandboxError` if the machine fails. `heard` is called with what the
    submission prints, as it does, in a thread that must not be held up.
    """
    spec = train_station(problem, limits)
    job = {"ragged": problem.manifest.predictions.is_ragged}
    with stations.take(spec) as station:
        try:
            done = station.run(job, {"fold": fold, "submission": submission}, stopped, heard=heard)
        except NotReadyError as error:
            return _kit_error(error.result, spec.limits)
        if stopped and stopped.is_set and done.sandbox.ended_by is EndedBy.KILLED:
            return _result(done.sandbox, Outcome.WITHDRAWN, "the submission was withdrawn")
        return _judged(done, spec.limits, problem.manifest.expected, predictions)


def train_station(problem: LocalProblem, limits: FoldLimits) -> StationSpec:
    """The station that trains any fold of a problem under these limits."""
    prepared = problem.files
    data = [Mount(prepared.x_train, "/data/x_train")]
    if prepared.x_test:
        data.append(Mount(prepared.x_test, "/data/x_test"))
    if prepared.shown_folders:
        data += [Mount(prepared.shown_folders / folder, f"/kit/{folder}") for folder in problem.manifest.shown]
    sandbox_limits = Limits(
        wall_time_s=limits.time_limit_s,
        memory_bytes=limits.memory_limit_bytes,
        file_bytes=limits.output_limit_bytes,
        output_bytes=min(limits.output_limit_bytes, max(_RESULT_BYTES, 4 * _right_bytes(problem.manifest.expected))),
        log_bytes=limits.log_limit_bytes,
        processes=limits.max_processes,
        # A fold has one core for its time.
        cpu_time_s=limits.time_limit_s,
    )
    return StationSpec(
        Role.TRAIN, problem.environment, Mount(prepared.kit, "/kit"), tuple(data), sandbox_limits, problem.manifest.preload
    )


def _right_bytes(expected: Expected) -> int:
    return (expected.n_train + (expected.n_test or 0)) * math.prod(expected.shape) * _FLOAT_BYTES


def _judged(done: Done, limits: Limits, expected: Expected, predictions: Path) -> FoldResult:
    """What the submission came to, from what its sandbox sent."""
    files = done.files()
    status = _status(files) if files else None
    if files is None or status is None:
        outcome = _ENDED.get(done.sandbox.ended_by, Outcome.CRASHED)
        return _result(done.sandbox, outcome, why_ended(done.sandbox, limits))
    if status.stage != "done":
        return _result(done.sandbox, _OUTCOMES[status.stage], _reason(status), status)
    try:
        content = packed(checked(files, expected))
    except BadPredictionsError as error:
        return _result(done.sandbox, Outcome.BAD_PREDICTIONS, str(error), status)
    predictions.write_bytes(content)
    return _result(done.sandbox, Outcome.TRAINED, "", status, predictions)


def _status(files: dict[str, bytes]) -> _Status | None:
    content = files.get("status.json", b"")
    if len(content) > _MAX_STATUS_BYTES:
        return None
    try:
        return _Status.model_validate_json(content)
    except ValidationError:
        return None


def _reason(status: _Status) -> str:
    if status.stage == "exit":
        return f"the submission ended the process ({status.reason}) before it was done"
    if status.stage == "memory":
        return f"it ran out of memory ({status.reason})"
    return status.reason


def _kit_error(result: SandboxResult, limits: Limits) -> FoldResult:
    words = why_ended(result, limits) if result.ended_by is not EndedBy.KILLED else "its import takes too long"
    return _result(result, Outcome.KIT_ERROR, f"the kit does not load: {words}")


def _result(
    sandbox: SandboxResult, outcome: Outcome, reason: str, status: _Status | None = None, predictions: Path | None = None
) -> FoldResult:
    times = status.times_s if status else _Times()
    # A submission may claim any time, but not more than passed.
    training, prediction = (*map(_part, sandbox.parts), None)[:2]
    train, valid, test = (min(seconds, sandbox.usage.wall_time_s) for seconds in (times.train, times.valid, times.test))
    traceback = status.traceback if status and outcome is not Outcome.TRAINED else None
    reason = shown(reason, _MAX_REASON_CHARS)
    return FoldResult(
        outcome=outcome,
        reason=reason,
        traceback=None if traceback is None else shown(traceback, _MAX_TRACEBACK_CHARS),
        log=sandbox.log if outcome is Outcome.TRAINED or sandbox.log.strip() else _ending(outcome, reason),
        predictions=predictions,
        usage=FoldUsage(
            train_time_s=train,
            valid_time_s=valid,
            test_time_s=test,
            peak_memory_bytes=sandbox.usage.peak_memory_bytes,
            training=training,
            prediction=prediction,
        ),
        wall_time_s=sandbox.usage.wall_time_s,
    )


def _part(usage: Usage) -> PartUsage:
    return PartUsage(wall_time_s=usage.wall_time_s, cpu_time_s=usage.cpu_time_s, peak_memory_bytes=usage.peak_memory_bytes)


def _ending(outcome: Outcome, reason: str) -> bytes:
    """What the log of a fold says that failed without a word."""
    return f"[palio] Nothing was printed. It ended with {outcome}: {' '.join(reason.split())}\n".encode()
