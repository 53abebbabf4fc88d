"""Palio's kit contract: what a `problem.py` and a submission are written with.

`import palio` is cheap: the submodules `cvs`, `prediction_types`, `score_types` and `workflows` are imported when first used, so
that commands that only talk to a server do not wait for scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import cvs as cvs
    from . import kit as kit
    from . import prediction_types as prediction_types
    from . import score_types as score_types
    from . import workflows as workflows

__version__ = "0.1.0"

_SUBMODULES = frozenset({"cvs", "kit", "prediction_types", "score_types", "workflows"})


def __getattr__(name: str) -> ModuleType:
    """Import a submodule at its first use (PEP 562)."""
    if name in _SUBMODULES:
        return import_module(f"palio.{name}")
    raise AttributeError(f"module 'palio' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
