"""Sandboxes: the port that says what one is, and the one made with bubblewrap."""

from shared.execution.sandbox.bubblewrap import Bubblewrap
from shared.execution.sandbox.port import (
    EndedBy,
    Limits,
    Mount,
    RunningSandbox,
    Sandbox,
    SandboxError,
    SandboxResult,
    SandboxSpec,
)

__all__ = [
    "Bubblewrap",
    "EndedBy",
    "Limits",
    "Mount",
    "RunningSandbox",
    "Sandbox",
    "SandboxError",
    "SandboxResult",
    "SandboxSpec",
]
