"""Selecting an ensemble from the predictions of a challenge's submissions, by the kit's official metric, in a sandbox.

The sandbox holds the labels and the candidates' predictions, and no participant's code; nothing that comes out of it is believed
but numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.events import CurvePoint, EnsembleScore
from shared.execution.preparation import KitError
from shared.execution.prepared import LabelFiles, Manifest, Words
from shared.execution.sandbox.port import Limits, Mount
from shared.execution.scoring import kits_answer
from shared.execution.stations import Environment, Role, Stations, StationSpec, Stopped
from shared.execution.words import shown

_MAX_PROBLEM_CHARS = 500


@dataclass(frozen=True)
class Known:
    """Picks that were right without the fresh candidates, by fold. All others were candidates then."""

    picks: Sequence[Sequence[int]]
    fresh: Sequence[int]


@dataclass(frozen=True)
class SelectionJob:
    """Candidates by the name of their folder, in the order in which they win where they are equal, and the rules."""

    candidates: Sequence[str]
    max_members: int
    min_improvement: float
    known: Known | None = None


@dataclass(frozen=True)
class SelectionFiles:
    """What a selection's sandbox sees beside the kit and its labels.

    `members`: a folder for each candidate, as `write_predictions` makes it. `code`: the folder of the SDK's `palio.ensembles`, which
    every kit's sandbox gets, whatever its environment has.
    """

    members: Path
    code: Path


class EnsembleScores(BaseModel):
    """What the folds' ensembles score, bagged; the same of each fold's best; and why a number is missing, for the organiser."""

    model_config = ConfigDict(extra="forbid")

    combined: tuple[EnsembleScore, ...]
    foldwise_best: tuple[EnsembleScore, ...]
    curve: tuple[CurvePoint, ...] = Field(max_length=200)
    problems: tuple[Words, ...] = Field(max_length=100)


class FoundEnsemble(BaseModel):
    """Candidates picked, by fold; `scores` is None if all are as known, or nothing could be picked."""

    model_config = ConfigDict(extra="forbid")

    picks: tuple[tuple[int, ...], ...]
    scores: EnsembleScores | None


def select_ensemble(
    stations: Stations,
    environment: Environment,
    manifest: Manifest,
    labels: LabelFiles,
    files: SelectionFiles,
    job: SelectionJob,
    limits: Limits,
    stopped: Stopped | None = None,
) -> FoundEnsemble:
    """Select and score an ensemble. Blocks: call it in a thread.

    Raises `KitError` if the kit's code fails, `JobStoppedError` if
    `stopped` is set, `SandboxError` if the machine fails.
    """
    data = (
        Mount(labels.folder, "/data"),
        Mount(files.members, "/members"),
        Mount(files.code, "/selection"),
    )
    spec = StationSpec(Role.ENSEMBLE, environment, Mount(labels.kit, "/kit"), data, limits)
    with stations.take(spec) as station:
        _, answer = kits_answer(station, _as_json(job, manifest), {}, "ensemble.json", stopped)
        found = _checked(answer, job, manifest)
    if found.scores is None:
        return found
    problems = tuple(shown(problem, _MAX_PROBLEM_CHARS) for problem in found.scores.problems)
    return found.model_copy(update={"scores": found.scores.model_copy(update={"problems": problems})})


def _as_json(job: SelectionJob, manifest: Manifest) -> dict[str, object]:
    return {
        "members": job.candidates,
        "n_folds": manifest.n_folds,
        "max_members": job.max_members,
        "min_improvement": job.min_improvement,
        "known": None if job.known is None else {"picks": job.known.picks, "fresh": job.known.fresh},
    }


def _checked(answer: bytes, job: SelectionJob, manifest: Manifest) -> FoundEnsemble:
    try:
        found = FoundEnsemble.model_validate_json(answer)
    except ValidationError as error:
        raise KitError("the kit's metrics give something that cannot be read", str(error)) from error
    are_candidates = all(0 <= pick < len(job.candidates) for picks in found.picks for pick in picks)
    if len(found.picks) != manifest.n_folds or not are_candidates or max(map(len, found.picks)) > job.max_members:
        raise KitError("the kit's metrics pick what is no candidate")
    names = [metric.name for metric in manifest.metrics]
    for scores in (found.scores.combined, found.scores.foldwise_best) if found.scores else ():
        if [score.metric for score in scores] != names:
            raise KitError("the kit's metrics are other ones than when the problem was prepared")
    return found
