"""A problem prepared and laid out on disk as the services do it, without their stores."""

from dataclasses import dataclass
from pathlib import Path

from shared.artefacts.archives import ArchiveLimits, unpack
from shared.events import FoldLimits
from shared.execution.preparation import PreparedProblem, Upload, prepare_problem
from shared.execution.prepared import LabelFiles, PreparedFiles
from shared.execution.sandbox import Limits, Sandbox
from shared.execution.scoring import Scores, score_run
from shared.execution.stations import Environment, Stations, Stopped
from shared.execution.training import FoldResult, LocalProblem, train_fold

UNPACKED = ArchiveLimits(max_bytes=1 << 30)
LIMITS = Limits(wall_time_s=120, memory_bytes=2 << 30, file_bytes=1 << 30, output_bytes=1 << 30, log_bytes=50_000, processes=128)
#: `fold_limits` of the tests: short, small, but enough for a starter.
FOLD_LIMITS = FoldLimits(time_limit_s=60, memory_limit_bytes=1 << 30, log_limit_bytes=20_000, max_processes=64)


@dataclass(frozen=True)
class Laid:
    """A prepared problem, with its files where the services would have them."""

    prepared: PreparedProblem
    problem: LocalProblem
    labels: LabelFiles
    folder: Path

    def fold_file(self, fold: int) -> Path:
        return self.prepared.for_trainers[self.prepared.manifest.folds[fold]]

    def train(
        self,
        stations: Stations,
        submission: Path,
        fold: int = 0,
        limits: FoldLimits = FOLD_LIMITS,
        stopped: Stopped | None = None,
    ) -> FoldResult:
        target = self.folder / f"predictions-{fold}.tar"
        target.unlink(missing_ok=True)
        return train_fold(stations, self.problem, self.fold_file(fold), submission, limits, target, stopped)

    def score(self, stations: Stations, predictions: list[Path]) -> Scores:
        return score_run(stations, self.problem.environment, self.prepared.manifest, self.labels, predictions, LIMITS)

    def train_and_score(self, stations: Stations, submission: Path) -> Scores:
        results = [self.train(stations, submission, fold) for fold in range(self.prepared.manifest.n_folds)]
        assert [(result.outcome, result.reason, result.traceback) for result in results] == [("trained", "", None)] * len(results)
        return self.score(stations, [result.predictions for result in results if result.predictions])


def lay_out(
    sandbox: Sandbox,
    environment: Environment,
    kit: Path,
    folder: Path,
    private: Path | None = None,
    label_free_folders: tuple[str, ...] = (),
) -> Laid:
    """Prepare a kit and lay it out below `folder`. Raises what `prepare_problem` raises."""
    out = folder / "out"
    out.mkdir(parents=True)
    upload = Upload(kit, private, UNPACKED, label_free_folders)
    prepared = prepare_problem(sandbox, environment, "e" * 64, upload, out, LIMITS)
    manifest = prepared.manifest
    unpack(prepared.for_trainers[manifest.kit], folder / "kit", UNPACKED)
    unpack(prepared.labels, folder / "labels", UNPACKED)
    shown = None
    if manifest.shown_folders:
        shown = folder / "shown"
        unpack(prepared.for_trainers[manifest.shown_folders], shown, UNPACKED)
    files = PreparedFiles(
        kit=folder / "kit",
        x_train=prepared.for_trainers[manifest.x_train],
        x_test=prepared.for_trainers[manifest.x_test] if manifest.x_test else None,
        shown_folders=shown,
    )
    return Laid(
        prepared, LocalProblem(environment, manifest, files), LabelFiles(folder=folder / "labels", kit=folder / "kit"), folder
    )


def submission_of(folder: Path, files: dict[str, bytes]) -> Path:
    """A submission's folder."""
    submission = folder / "submission"
    for name, content in files.items():
        path = submission / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return submission
