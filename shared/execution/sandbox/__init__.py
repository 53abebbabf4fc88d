"""Sandboxes: the port that says what one is, and the one made with bubblewrap."""

from shared.execution.sandbox.bubblewrap import Bubblewrap
from shared.execution.sandbox.cgroup_places import open_cgroups
from shared.execution.sandbox.cgroups import CgroupError
from shared.execution.sandbox.port import (
    EndedBy,
    Limits,
    Mount,
    RunningSandbox,
    Sandbox,
    SandboxError,
    SandboxResult,
    SandboxSpec,
    Usage,
)

__all__ = [
    "Bubblewrap",
    "CgroupError",
    "EndedBy",
    "Limits",
    "Mount",
    "RunningSandbox",
    "Sandbox",
    "SandboxError",
    "SandboxResult",
    "SandboxSpec",
    "Usage",
    "open_cgroups",
]
