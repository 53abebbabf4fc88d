"""Predictions and models on disk: by the kit's own `save_y_pred`, `load_y_pred` and `save_submission` where it has them.

Else predictions are numpy's: `y_pred_<suffix>.npz` with the array `y_pred`, as `ramp-test` writes it. Lists of different lengths, such
as circles in images, become an array of objects, which numpy pickles: what is read here was written here.
"""

from __future__ import annotations

import importlib
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from palio.kit import KitError, Problem, kit_fault
from palio.submission_errors import in_one_line


def save_y_pred(problem: Problem, y_pred: Any, folder: Path, suffix: str) -> None:
    """Write the predictions for the rows of `suffix`, `train` or `test`; raises KitError if the kit's own way fails."""
    if hasattr(problem.module, "save_y_pred"):
        with kit_fault("save_y_pred of problem.py failed"):
            problem.module.save_y_pred(y_pred, str(problem.folder), str(folder), suffix)
        return
    np.savez_compressed(folder / f"y_pred_{suffix}", y_pred=as_array(y_pred))


def load_y_pred(problem: Problem, folder: Path, suffix: str) -> Any:
    """What `save_y_pred` wrote; raises KitError if that is not there or cannot be read."""
    if hasattr(problem.module, "load_y_pred"):
        with kit_fault("load_y_pred of problem.py failed"):
            return problem.module.load_y_pred(str(problem.folder), str(folder), suffix)
    file = folder / f"y_pred_{suffix}.npz"
    try:
        # Opened here: numpy leaves a damaged file open.
        with file.open("rb") as stream, np.load(stream, allow_pickle=True) as content:
            return content["y_pred"]
    except FileNotFoundError:
        raise KitError(f"There is no {file}. Write it with `palio test --save-output`.") from None
    except Exception as error:
        raise KitError(f"{file} is damaged ({in_one_line(error)}). Write it with `palio test --save-output`.") from error


def save_submission(problem: Problem, y_pred: Any, folder: Path, suffix: str) -> None:
    """Let the kit write predictions in a form of its own, for example for another site, if it wants to."""
    if hasattr(problem.module, "save_submission"):
        with kit_fault("save_submission of problem.py failed"):
            problem.module.save_submission(y_pred, str(problem.folder), str(folder), suffix)


def as_array(y_pred: Any) -> Any:
    """Predictions as one array: of objects where rows are lists of different lengths."""
    try:
        return np.asarray(y_pred)
    except ValueError:
        array = np.empty(len(y_pred), dtype=object)
        array[:] = y_pred
        return array


def save_model(model: Any, file: Path) -> str | None:
    """Pickle a trained model; why it could not be, or not be read again. No file is left then.

    By cloudpickle, which takes along the classes of the submission, whose modules nobody else can import.
    """
    try:
        content = pickler().dumps(model)
        pickle.loads(content)  # noqa: S301 - what was pickled here just now
    except Exception as error:  # noqa: BLE001 - whatever the model's own methods raise
        file.unlink(missing_ok=True)
        advice = "" if pickler() is not pickle else " Perhaps it can where cloudpickle is installed, beside the kit's libraries."
        return in_one_line(error) + advice
    file.write_bytes(content)
    return None


def load_model(file: Path) -> Any:
    """A model that `save_model` wrote; None where there is none. Raises KitError if it cannot be read."""
    try:
        return pickle.loads(file.read_bytes())  # noqa: S301 - the user's own code wrote it, and is run beside it
    except FileNotFoundError:
        return None
    except Exception as error:
        raise KitError(f"{file} cannot be read ({in_one_line(error)}). Train it anew: palio test --pickle") from error


def pickler() -> Any:
    """cloudpickle, wherever it is; else the standard library's pickle."""
    for name in ("cloudpickle", "joblib.externals.cloudpickle"):
        with suppress(ImportError):
            return importlib.import_module(name)
    return pickle
