"""The roles, and the order of things that all of them share.

First everything that needs no job (the kit's imports, its data), then the byte that says "ready", then one job from standard
input. Outside, what goes wrong before "ready" is the kit's fault, and after it the job's.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from . import ensemble, prepare, score, train
from .channel import Channel

#: For each role, what loads all that needs no job, and what runs one.
_ROLES: dict[str, tuple[Callable[[], Any], Callable[[Any, dict[str, Any], Channel], None]]] = {
    "prepare": (lambda: None, prepare.run),
    "train": (train.Ready.load, train.run),
    "score": (score.Ready.load, score.run),
    "ensemble": (ensemble.Selecting.load, ensemble.run),
}


def main(role: str, preload: list[str]) -> None:
    """Run one job in a role, and end the process without tearing it down.

    `preload` names modules that the job will probably import: here they cost nobody time.
    """
    # Bytes that are no text must not end a print; lines should be seen when they are printed, and not be lost by a crash.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]  # text files here
    channel = Channel.from_environment()
    load, run = _ROLES[role]
    ready = load()
    for module in preload:
        # A module that fails here fails again where it is needed, and is told of there.
        with suppress(Exception):
            importlib.import_module(module)
    channel.announce()
    line = sys.stdin.buffer.readline()
    if not line:
        # Whoever started this is gone: there will be no job.
        os._exit(0)
    job = json.loads(line)
    _close_stdin()
    random.seed(job["seed"])
    np.random.seed(job["seed"])  # noqa: NPY002 - the generator that participants' libraries use
    _limit_cpu_time(job["cpu_time_s"])
    run(ready, job, channel)
    channel.close()
    # No teardown: it costs time, and would run what the submission left behind.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(0)


def _limit_cpu_time(seconds: float | None) -> None:
    """Have the kernel end this process, and any that it starts, for what the sandbox's own watch would miss.

    Not sooner: what was used to load the kit is not the job's.
    """
    if seconds is None:
        return
    limit = math.ceil(time.process_time() + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))


def _close_stdin() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
