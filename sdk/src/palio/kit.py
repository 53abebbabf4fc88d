"""Loading a kit: `problem.py` and what it must define, with errors in words for whoever wrote it.

Works for kits written with `palio` and for those written with `ramp-workflow`, where that can be imported. Knows nothing of
submissions' results; `palio.trial` runs them.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, cast

import numpy as np
import numpy.typing as npt

from palio.contract_errors import KitError
from palio.workflows.base import Folder, element_file, import_file

__all__ = ["Indices", "KitError", "Problem", "load"]

#: What every `problem.py` defines.
MEMBERS = ("problem_title", "Predictions", "workflow", "score_types", "get_cv", "get_train_data", "get_test_data")

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Problem:
    """A kit's `problem.py`, checked."""

    #: The kit's folder; its `data/` holds the data.
    folder: Path
    module: ModuleType
    title: str
    #: The class made by `make_multiclass` and the like, of palio or of ramp-workflow.
    Predictions: Callable[..., Any]
    workflow: Any
    #: The first is the official one.
    score_types: tuple[Any, ...]
    #: Which of the kit's data sets, where it has several: handed on to `get_train_data` and `get_test_data`.
    data_label: str | None = None

    @property
    def element_files(self) -> tuple[str, ...]:
        """The names of a submission's files."""
        return tuple(element_file(name) for name in self.workflow.element_names)

    @property
    def takes_trained_model(self) -> bool:
        """Whether `train_submission` wants an earlier model, to train that further."""
        return _takes(self.workflow.train_submission, "prev_trained_model")

    @property
    def takes_fold(self) -> bool:
        """Whether `test_submission` wants the fold as its third argument, as some of RAMP's workflows do."""
        return list(signature(self.workflow.test_submission).parameters)[2:] == ["fold"]

    def train_data(self) -> tuple[Any, Any]:
        """X and y of the training set, of `n_rows` rows each; raises KitError if they cannot be read."""
        return self._data("get_train_data", required=True)

    def test_data(self) -> tuple[Any, Any]:
        """X and y of the test set, or (None, None) where the kit has none; raises KitError if they cannot be read."""
        return self._data("get_test_data", required=False)

    def folds(self, X: Any, y: Any) -> list[tuple[Indices, Indices]]:
        """The row numbers for training and for validation of each fold; raises KitError if there are none."""
        with kit_fault("get_cv(X, y) of problem.py failed"):
            folds = [(np.asarray(train), np.asarray(valid)) for train, valid in self.module.get_cv(X, y)]
        if not folds:
            raise KitError("get_cv(X, y) of problem.py returned no folds; it must yield at least one (train_is, valid_is).")
        return folds

    def _data(self, member: str, *, required: bool) -> tuple[Any, Any]:
        hint = "" if (self.folder / "data").is_dir() else _missing_data(self.folder)
        function, more = getattr(self.module, member), {}
        if self.data_label is not None:
            more["data_label"] = self.data_label
            if not _takes(function, "data_label"):
                raise KitError(
                    f"The kit has one data set only: {member} of problem.py takes no data_label. Leave --data-label out."
                )
        with kit_fault(f"{member}(path) of problem.py failed{hint}"):
            data = function(path=str(self.folder), **more)
        if not isinstance(data, tuple) or len(data) != 2:  # noqa: PLR2004 - X and y
            raise KitError(f"{member}(path) of problem.py must return a pair, X and y; it returned a {type(data).__name__}.")
        X, y = data
        if required and (X is None or y is None):
            raise KitError(f"{member}(path) of problem.py returned no data.")
        return X, y


def load(path: Folder = ".", data_label: str | None = None) -> Problem:
    """Load the kit in this folder; `data_label` names one of its data sets, where it has several.

    Its `external_imports/` is put on `sys.path`, and stays there: the kit's code may import from it later. Each call runs
    `problem.py` anew. Raises KitError.
    """
    folder = Path(path).resolve()
    file = folder / "problem.py"
    if not file.is_file():
        raise KitError(f"{folder} is no kit: it has no problem.py. Name a kit's folder, or change into one.")
    importable = folder / "external_imports"
    if importable.is_dir() and str(importable) not in sys.path:
        sys.path.append(str(importable))
        importlib.invalidate_caches()
    with kit_fault("problem.py could not be imported"):
        module = import_file(file, "problem")
    missing = [member for member in MEMBERS if not hasattr(module, member)]
    if missing:
        raise KitError(f"problem.py must define {', '.join(missing)}.")
    return Problem(
        folder=folder,
        module=module,
        title=str(module.problem_title),
        Predictions=_callable(module, "Predictions"),
        workflow=_workflow(module.workflow),
        score_types=_score_types(module.score_types),
        data_label=data_label,
    )


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name, or takes any."""
    parameters = signature(function).parameters.values()
    return any(each.name == name or each.kind is each.VAR_KEYWORD for each in parameters)


def _callable(module: ModuleType, name: str) -> Callable[..., Any]:
    member = getattr(module, name)
    if not callable(member):
        raise KitError(f"{name} in problem.py must be callable; it is a {type(member).__name__}.")
    return cast("Callable[..., Any]", member)


def _workflow(workflow: Any) -> Any:
    lacking = [name for name in ("element_names", "train_submission", "test_submission") if not hasattr(workflow, name)]
    if lacking:
        raise KitError(f"workflow in problem.py is a {type(workflow).__name__}, which lacks {', '.join(lacking)}.")
    return workflow


def _score_types(score_types: Any) -> tuple[Any, ...]:
    metrics = tuple(score_types) if isinstance(score_types, (list, tuple)) else ()
    if not metrics:
        raise KitError("score_types in problem.py must be a list of at least one metric; the first is the official one.")
    needed = ("name", "precision", "is_lower_the_better", "minimum", "maximum", "score_function")
    for metric in metrics:
        lacking = [name for name in needed if not hasattr(metric, name)]
        if lacking:
            raise KitError(f"The metric {type(metric).__name__} in score_types of problem.py lacks {', '.join(lacking)}.")
    names = [metric.name for metric in metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise KitError(f"Two metrics in score_types of problem.py have the same name, {', '.join(twice)}; pass name=… to one.")
    return metrics


def _missing_data(folder: Path) -> str:
    if (folder / "prepare_data.py").is_file():
        return "; the kit has no data/ yet: run `python prepare_data.py` in its folder"
    return "; the kit has no data/ folder"


@contextmanager
def kit_fault(what: str) -> Iterator[None]:
    """Turn whatever the kit's code raises into a KitError that says where."""
    try:
        yield
    except KitError:
        raise
    except ModuleNotFoundError as error:
        remedy = _install_hint(error.name)
        raise KitError(f"{what}: {error}.{remedy}", traceback.format_exc()) from error
    except Exception as error:
        raise KitError(f"{what}: {type(error).__name__}: {error}", traceback.format_exc()) from error


def _install_hint(module: str | None) -> str:
    distribution = "ramp-workflow" if module == "rampwf" else module
    return f" Install it where you run this, for example with `pip install {distribution}`." if distribution else ""
