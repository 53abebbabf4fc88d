"""`python -m benchmarks.recorded_trainer`: a trainer that replays. For soaks and measurements that are not about training.

The first time that it is to train a fold of a bundle it does, in a sandbox, and keeps what came of it; from then on it gives the
same at once. Everything else of it is the trainer's: messages, uploads, reports, faults. Trainers share their recordings in the
folder that PALIO_RECORDINGS names.
"""

import hashlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from services.trainer.main import run
from services.trainer.training import FoldTrainer
from shared.events import FoldLimits, Outcome
from shared.execution.stations import Stopped
from shared.execution.training import FoldResult, LocalProblem
from shared.settings import TrainerSettings

FOLDER_VARIABLE = "PALIO_RECORDINGS"


def recorded(folder: Path, train: FoldTrainer) -> FoldTrainer:
    """A trainer of folds that trains each only once, as far as `folder` is kept."""

    def train_fold(
        problem: LocalProblem,
        fold: Path,
        submission: Path,
        limits: FoldLimits,
        predictions: Path,
        stopped: Stopped,
        heard: Callable[[bytes], None],
    ) -> FoldResult:
        recording = folder / _name_of(problem, fold, submission)
        if not recording.exists():
            result = train(problem, fold, submission, limits, predictions, stopped, heard)
            # One that was stopped, since its trainer lost the broker, is not what comes of this fold.
            if result.outcome is not Outcome.WITHDRAWN:
                _keep(result, recording)
            return result
        # Ours alone: no stranger writes there.
        kept: FoldResult = pickle.loads((recording / "result").read_bytes())
        if kept.predictions is None:
            return kept
        shutil.copy(recording / "predictions", predictions)
        return replace(kept, predictions=predictions)

    return train_fold


def _name_of(problem: LocalProblem, fold: Path, submission: Path) -> str:
    digest = hashlib.sha256(f"{problem.manifest.model_dump_json()} {fold.resolve()}".encode())
    for path in sorted(submission.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _keep(result: FoldResult, recording: Path) -> None:
    """All of it or nothing: others may be recording the same, and any of them may be killed."""
    made = Path(tempfile.mkdtemp(dir=recording.parent))
    (made / "result").write_bytes(pickle.dumps(replace(result, predictions=None if result.predictions is None else Path())))
    if result.predictions is not None:
        shutil.copy(result.predictions, made / "predictions")
    try:
        made.rename(recording)
    except OSError:
        shutil.rmtree(made)


def main() -> None:
    """Train until SIGTERM."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    run(TrainerSettings.model_validate({}), lambda train: recorded(folder, train))


if __name__ == "__main__":
    main()
