"""Scoring one run: every fold on train, valid and test, and the folds bagged, by the kit's own metrics.

The sandbox holds the labels and the predictions of one run, and no participant's code; nothing that comes out of it is
believed but numbers.
"""

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.events import BaggedScore, FoldScore
from shared.execution.arrays import unpacked
from shared.execution.preparation import KitError
from shared.execution.prepared import LabelFiles, Manifest, Words
from shared.execution.sandbox.port import Limits, Mount, SandboxResult
from shared.execution.stations import Done, Environment, NotReadyError, Role, Station, Stations, StationSpec, Stopped
from shared.execution.words import shown, why_ended

_MAX_ANSWER_BYTES = 1 << 26
_MAX_PROBLEM_CHARS = 500
#: A metric that hangs for this part of the whole time is left out, so that others have their numbers.
_METRIC_SHARE = 4


class _Scores(BaseModel):
    model_config = ConfigDict(extra="forbid")

    folds: tuple[FoldScore, ...]
    bagged: tuple[BaggedScore, ...]
    problems: tuple[Words, ...] = Field(max_length=100)


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str
    traceback: str


@dataclass(frozen=True)
class Scores:
    """The scores of a run. `problems` says, in words for the organiser, why a number is missing."""

    folds: tuple[FoldScore, ...]
    bagged: tuple[BaggedScore, ...]
    problems: tuple[str, ...]
    log: bytes
    wall_time_s: float


def score_run(
    stations: Stations,
    environment: Environment,
    manifest: Manifest,
    labels: LabelFiles,
    predictions: Sequence[Path],
    limits: Limits,
) -> Scores:
    """Score the predictions (the files of `train_fold`, one for each fold in order). Blocks: call it in a thread.

    Raises `KitError` if the kit's metrics or classes fail as a whole, `BadPredictionsError` if a file is not what a fold must
    give (then a trainer lied), `SandboxError` if the machine fails.
    """
    with (
        tempfile.TemporaryDirectory(prefix="predictions-") as folder,
        stations.take(score_station(environment, labels, limits)) as station,
    ):
        write_predictions(predictions, manifest, Path(folder))
        job = {"n_folds": len(predictions), "metric_time_limit_s": limits.wall_time_s / _METRIC_SHARE}
        done, answer = kits_answer(station, job, {"predictions": Path(folder)}, "scores.json")
        scores = _checked(answer, manifest, len(predictions))
    problems = tuple(shown(problem, _MAX_PROBLEM_CHARS) for problem in scores.problems)
    return Scores(scores.folds, scores.bagged, problems, done.sandbox.log, done.sandbox.usage.wall_time_s)


def score_station(environment: Environment, labels: LabelFiles, limits: Limits) -> StationSpec:
    """The station that scores any run of a problem."""
    return StationSpec(Role.SCORE, environment, Mount(labels.kit, "/kit"), (Mount(labels.folder, "/data"),), limits)


def write_predictions(predictions: Sequence[Path], manifest: Manifest, folder: Path) -> None:
    """Lay the files of folds out as a sandbox reads them: `<fold>/<part>.<array>.npy`. Raises `BadPredictionsError`."""
    for number, file in enumerate(predictions):
        (folder / str(number)).mkdir()
        for name, array in unpacked(file, manifest.expected).items():
            with (folder / str(number) / f"{name}.npy").open("wb") as target:
                npy.write_array(target, np.ascontiguousarray(array), allow_pickle=False)


class JobStoppedError(Exception):
    """Somebody wanted the job to end."""


def kits_answer(
    station: Station, job: Mapping[str, object], files: Mapping[str, Path], name: str, stopped: Stopped | None = None
) -> tuple[Done, bytes]:
    """Have kit code do a job, and read the result of this name: JSON that nobody has checked.

    Raises `KitError`, `SandboxError`, and `JobStoppedError` if `stopped` is set.
    """
    try:
        done = station.run(job, files, stopped)
    except NotReadyError as error:
        raise KitError("the kit does not load", _text(error.result)) from error
    if stopped and stopped.is_set:
        raise JobStoppedError
    results = done.files()
    if results is None:
        raise KitError(f"scoring failed: {why_ended(done.sandbox, station.spec.limits)}", _text(done.sandbox))
    if "fault.json" in results:
        try:
            fault = _Fault.model_validate_json(results["fault.json"])
        except ValidationError as error:
            raise KitError("the kit gives something that cannot be read", str(error)) from error
        raise KitError(f"scoring failed: {fault.reason}", fault.traceback)
    return done, results.get(name, b"")[:_MAX_ANSWER_BYTES]


def _checked(answer: bytes, manifest: Manifest, n_folds: int) -> _Scores:
    try:
        scores = _Scores.model_validate_json(answer)
    except ValidationError as error:
        raise KitError("the kit's metrics give something that cannot be read", str(error)) from error
    names = [metric.name for metric in manifest.metrics]
    n_tests = 0 if manifest.n_test is None else n_folds
    whole = (
        [(score.metric, score.fold) for score in scores.folds] == [(name, fold) for fold in range(n_folds) for name in names]
        and [score.metric for score in scores.bagged] == names
        and all(len(score.valid) == n_folds and len(score.test) == n_tests for score in scores.bagged)
    )
    numbers = [number for score in scores.folds for number in (score.train, score.valid, score.test)]
    numbers += [number for score in scores.bagged for number in (*score.valid, *score.test)]
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise KitError("the kit's metrics give numbers that are not finite")
    if not whole:
        raise KitError("the kit's metrics are other ones than when the problem was prepared")
    return scores


def _text(result: SandboxResult) -> str:
    return result.log.decode(errors="replace")
