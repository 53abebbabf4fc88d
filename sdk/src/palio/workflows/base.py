"""The mechanism that every workflow is made of: named elements, each a file of the submission.

A workflow lists its elements and says how they work together; finding, reading and importing them happens here. It never
fits or asks anything: `Element` does that for one file, `Chain` for several.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Union

from palio.rows import Rows, n_rows, take_rows

#: A folder's or a file's path, as kits and scorers hand it over.
Folder = Union[str, "os.PathLike[str]"]


class Workflow(ABC):
    """A workflow whose submissions consist of `element_names`.

    A name with an ending, such as `external_data.csv`, is a file that is read; one without is a Python module, `<name>.py`.
    Derived classes define `train_submission` and `test_submission`.
    """

    def __init__(self, element_names: Sequence[str]) -> None:
        #: The elements, in the order in which the workflow uses them.
        self.element_names = list(element_names)

    @abstractmethod
    def train_submission(self, module_path: Folder, X: Any, y: Any, train_is: Rows | None = None) -> Any:
        """Train the submission in the folder `module_path` on the rows `train_is` of X and y (None: all); return the model.

        X and y have `n_rows` rows of whatever kind the kit returns. What the submission raises passes through.
        """

    @abstractmethod
    def test_submission(self, model: Any, X: Any) -> Any:
        """What the trained model predicts for every row of X."""

    def take(self, X: Any, rows: Rows | None) -> Any:
        """These rows of X, None for all; a workflow whose X has its rows elsewhere than other containers overrides this."""
        return take_rows(X, rows)

    def n_rows(self, X: Any) -> int | None:
        """How many rows X has, each with a row of y; None where X does not say."""
        return n_rows(X)

    def check_files(self, module_path: Folder) -> None:
        """Raise FileNotFoundError, in words for the participant, unless the submission has all files, those of data too."""
        missing = [file for file in self.element_files if not (Path(module_path) / file).is_file()]
        if missing:
            raise FileNotFoundError(
                f"The submission has no file {', '.join(missing)}; this workflow needs: {', '.join(self.element_files)}."
            )

    def element_path(self, module_path: Folder, index: int = 0) -> Path:
        """The file of an element; raises FileNotFoundError in words if any is missing."""
        self.check_files(module_path)
        return Path(module_path) / self.element_files[index]

    @property
    def element_files(self) -> list[str]:
        """The names of a submission's files."""
        return [element_file(name) for name in self.element_names]

    def load_element(self, module_path: Folder, index: int = 0) -> ModuleType:
        """Import an element afresh, as a module of its own name."""
        return import_file(self.element_path(module_path, index), self.element_names[index])

    def attribute(self, module: ModuleType, name: str) -> Any:
        """What an element must define; raises AttributeError that names the file if it does not."""
        try:
            return getattr(module, name)
        except AttributeError:
            raise AttributeError(f"{module.__name__}.py must define {name}.") from None

    def method(self, model: Any, name: str, index: int = 0) -> Any:
        """A method of an object that an element made; raises AttributeError that names file and class if it has none."""
        try:
            return getattr(model, name)
        except AttributeError as error:
            # Its words count: scikit-learn says in them which option would bring the method.
            where = f"{type(model).__name__} in {self.element_files[index]}"
            raise AttributeError(f"{where} must have a method {name}: {error}") from error


def element_file(name: str) -> str:
    """The file of an element: its name, with `.py` where it has no ending."""
    return name if Path(name).suffix else f"{name}.py"


def import_file(path: Folder, name: str) -> ModuleType:
    """Run a Python file as a new module called `name`.

    The module is known to `sys.modules` only while its code runs: dataclasses look their module up there, but functions
    of a module that stays there would be pickled by name, which worker processes of a submission could not import.
    """
    spec = importlib.util.spec_from_file_location(name, os.fspath(path))
    if spec is None or spec.loader is None:
        raise ImportError(f"{os.fspath(path)} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    shadowed = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        if shadowed is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = shadowed
    return module
