"""The kit's `problem.py`, as a module."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

KIT_FOLDER = "/kit"
_NEEDED = ("problem_title", "Predictions", "workflow", "score_types", "get_cv", "get_train_data", "get_test_data")


def load_problem(folder: str = KIT_FOLDER) -> ModuleType:
    """Import `problem.py` with the kit as working folder, as RAMP does; `external_imports` and the kit itself can be imported.

    Raises what the module raises, and `ImportError` for one that is missing or lacks a name of the contract.
    """
    os.chdir(folder)
    for path in (Path(folder, "external_imports"), Path(folder)):
        # Last, so that no file of a kit takes the name of a library.
        if path.is_dir():
            sys.path.append(str(path))
    source = Path(folder, "problem.py")
    if not source.is_file():
        raise ImportError("the kit has no problem.py at its root")
    spec = importlib.util.spec_from_file_location("problem", source)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a path that ends in .py has both
    module = importlib.util.module_from_spec(spec)
    # Objects of classes that problem.py defines are stored by reference to this name.
    sys.modules["problem"] = module
    spec.loader.exec_module(module)
    missing = [name for name in _NEEDED if not hasattr(module, name)]
    if missing:
        raise ImportError(f"problem.py does not define {', '.join(missing)}")
    return module
