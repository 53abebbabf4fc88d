"""One program that the supervisor keeps running, and how to tell that it is ready."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Every process of a stack carries this variable, with the stack's own random value, from its start: so the processes that
#: a killed start left behind can be told from all others. See `processes.py`.
MARK = "PALIO_STACK"

#: What a program may know of the environment that `script/up` was started in. Nothing else is passed on: a token in the
#: caller's shell is none of a service's business.
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True)
class Program:
    """A program: what to run, with exactly which environment, and when it counts as ready."""

    name: str
    command: tuple[str, ...]
    directory: Path
    #: True when it can be used. Called often; must answer within a second or two.
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    #: Seconds that it gets to end by itself before it is killed.
    stop_wait_s: int = 10
    #: What a person is told while it starts.
    title: str = ""


def base_environment(home: Path) -> dict[str, str]:
    """What every program gets: a PATH that begins with this virtual environment, and a home folder of its own."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    search = [str(Path(sys.executable).parent), "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {"LANG": "C.UTF-8", **passed_on, "PATH": ":".join(search), "HOME": str(home), "PYTHONUNBUFFERED": "1"}
