"""A small kit for each kind of workflow: its `problem.py`, a submission, and data made with a seed.

All are written with `import palio as rw`; with `import rampwf as rw` in its place they are kits of ramp-workflow.
"""

from tests.support.workflow_kits import images, series, tables
from tests.support.workflow_kits.kit import Kit

KITS = {
    name.lower(): value for module in (tables, series, images) for name, value in vars(module).items() if isinstance(value, Kit)
}

__all__ = ["KITS", "Kit"]
