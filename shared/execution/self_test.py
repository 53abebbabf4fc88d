"""Whether this machine gives every limit of a sandbox: each is tried for real when a service that runs strangers' code starts.

Owns what is tried, what is said of a limit that does not hold, and the command that mends the host. [0.3 s on two cores.]
"""

import json
import platform
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from shared.execution.environments.interpreters import find_interpreter
from shared.execution.sandbox.port import (
    LOG_FLOOD_FACTOR,
    RESULTS_FD_VARIABLE,
    EndedBy,
    Limits,
    Sandbox,
    SandboxError,
    SandboxResult,
    SandboxSpec,
)

_MIB = 1 << 20
#: The time is no limit that is tried here: sixteen trainers that start at once on two cores need half a minute for a look.
_LIMITS = Limits(
    wall_time_s=120, memory_bytes=64 * _MIB, file_bytes=_MIB, output_bytes=_MIB, log_bytes=4096, processes=12, open_files=32
)


class LimitName(StrEnum):
    """What is tried, by the names that say in a setting what to do without."""

    NETWORK = "network"
    PRIVILEGES = "privileges"
    SYSTEM_CALLS = "system_calls"
    WALL_TIME = "wall_time"
    CPU_TIME = "cpu_time"
    MEMORY = "memory"
    PROCESSES = "processes"
    OPEN_FILES = "open_files"
    FILE_SIZE = "file_size"
    OUTPUT = "output"
    LOG = "log"
    END = "end"


_OURS = "The platform itself is at fault: please report it."
_SEE_PROCESSES = "As root, so that processes can be watched: mount -o remount,hidepid=0 /proc"
_REMEDIES = {
    LimitName.NETWORK: "As root: sysctl -w user.max_net_namespaces=15000",
    LimitName.PRIVILEGES: "As root: chmod u-s /usr/bin/bwrap",
    LimitName.SYSTEM_CALLS: f"There is a filter for x86_64 and aarch64, this is {platform.machine()}: run the service there.",
    LimitName.WALL_TIME: _OURS,
    LimitName.CPU_TIME: _SEE_PROCESSES,
    LimitName.MEMORY: _SEE_PROCESSES,
    LimitName.PROCESSES: _SEE_PROCESSES,
    LimitName.OPEN_FILES: "As root: apt-get install --reinstall util-linux",
    LimitName.FILE_SIZE: "As root: apt-get install --reinstall util-linux",
    LimitName.OUTPUT: _OURS,
    LimitName.LOG: _OURS,
    LimitName.END: "As root: sysctl -w user.max_pid_namespaces=15000",
}

#: Looks around without breaking a limit that ends it, and prints what it could do.
_LOOK = """
import json, os, socket
def count(what, most=1000):
    number = 0
    try:
        while number < most:
            what()
            number += 1
    except OSError:
        pass
    return number
def write():
    with open("/tmp/file", "wb") as file:
        return file.write(bytes(8 << 20))
print(json.dumps({
    "network": os.readlink("/proc/self/ns/net"),
    "status": dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line),
    "netlink": count(lambda: socket.socket(16, 3), 1),
    "writes": count(write, 1),
    "files": count(lambda: os.dup(0)),
}), flush=True)
"""
_FORK = """
import os, time
try:
    for number in range(100):
        if os.fork() == 0:
            time.sleep(2)
except OSError:
    os._exit(REFUSED)
"""
_HOLD = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(32 << 20)
        time.sleep(2)
time.sleep(2)
"""
#: What a program exits with that was refused another process.
_REFUSED = 7
_BURN = "import os\nos.fork()\nwhile True: pass"
_SEND = f"import os\nfor _ in range(64): os.write(int(os.environ[{RESULTS_FD_VARIABLE!r}]), bytes(1 << 18))"
_PRINT = f"for _ in range(2 * {LOG_FLOOD_FACTOR}): print('x' * {_LIMITS.log_bytes}, flush=True)"
_STAY = "import os\nif os.fork() == 0:\n    os.setsid(); os.execv('/bin/sh', ['sh', '-c', 'sleep 60; : MARK'])"


@dataclass(frozen=True)
class Missing:
    """A limit that this machine does not give, what was seen of that, and what mends it."""

    limit: LimitName
    seen: str

    def __str__(self) -> str:
        return (
            f"this machine does not give the limit '{self.limit}' ({self.seen}). {_REMEDIES[self.limit]} "
            f"- or do without it, at your own risk: PALIO_ACCEPT_MISSING_LIMITS='[\"{self.limit}\"]'"
        )


Judge = Callable[[SandboxResult], Mapping[LimitName, str]]


@dataclass(frozen=True)
class _Trial:
    """A program that goes beyond a limit, and what its end says of it."""

    code: str
    judge: Judge
    limits: Limits = _LIMITS


def missing_limits(sandbox: Sandbox) -> list[Missing]:
    """The limits that do not hold; takes a moment. Raises `SandboxError` if there is no sandbox at all."""
    mark = f"palio-self-test-{uuid4()}"
    trials = (
        _Trial(_LOOK, _seen_inside),
        _Trial("import time; time.sleep(2)", _ended(LimitName.WALL_TIME, EndedBy.TIME_LIMIT), replace(_LIMITS, wall_time_s=0.1)),
        _Trial(_BURN, _ended(LimitName.CPU_TIME, EndedBy.CPU_TIME_LIMIT), replace(_LIMITS, wall_time_s=5, cpu_time_s=0.1)),
        _Trial(_HOLD, _ended(LimitName.MEMORY, EndedBy.MEMORY_LIMIT)),
        _Trial(_FORK.replace("REFUSED", str(_REFUSED)), _processes),
        _Trial(_SEND, _ended(LimitName.OUTPUT, EndedBy.OUTPUT_LIMIT)),
        _Trial(_PRINT, _log),
        _Trial(_STAY.replace("MARK", mark), lambda _: {LimitName.END: "a process outlived it"} if _is_alive(mark) else {}),
    )
    interpreter = find_interpreter(f"{sys.version_info.major}.{sys.version_info.minor}")
    with tempfile.TemporaryDirectory(prefix="palio-self-test-") as folder:
        # All at once: most of them wait.
        running = [
            sandbox.start(
                SandboxSpec(
                    argv=(str(interpreter.executable), "-I", "-S", "-c", trial.code),
                    mounts=interpreter.mounts,
                    limits=trial.limits,
                    results=Path(folder, str(number)),
                )
            )
            for number, trial in enumerate(trials)
        ]
        found = [trial.judge(each.wait()) for trial, each in zip(trials, running, strict=True)]
    return [Missing(limit, seen) for judged in found for limit, seen in judged.items()]


def require_limits(sandbox: Sandbox, accepted: Collection[str] = ()) -> list[Missing]:
    """Refuse a machine that does not give every limit but those that are `accepted`; returns those of them that are missing.

    Raises `SandboxError` that names each other limit, what mends the host, and the setting that does without.
    """
    unknown = set(accepted) - set(LimitName)
    if unknown:
        raise SandboxError(f"no limit is called {', '.join(sorted(unknown))}; there are {', '.join(LimitName)}")
    missing = missing_limits(sandbox)
    refused = [str(each) for each in missing if each.limit not in accepted]
    if refused:
        raise SandboxError("\n".join(refused))
    return missing


def _ended(limit: LimitName, expected: EndedBy) -> Judge:
    def judge(result: SandboxResult) -> Mapping[LimitName, str]:
        return {} if result.ended_by is expected else {limit: f"what goes beyond it ends by {_end(result)}"}

    return judge


def _seen_inside(result: SandboxResult) -> Mapping[LimitName, str]:
    try:
        seen = json.loads(result.log)
        status = seen["status"]
    except (ValueError, KeyError):
        return {LimitName.PRIVILEGES: f"nothing could be looked at: {_end(result)}"}
    missing = {}
    if seen["network"] == str(Path("/proc/self/ns/net").readlink()):
        missing[LimitName.NETWORK] = "it has the network of the host"
    if int(status["CapEff"], 16) | int(status["CapBnd"], 16) or status["NoNewPrivs"] != "1" or status["Uid"].startswith("0"):
        missing[LimitName.PRIVILEGES] = "it could have privileges"
    if status["Seccomp"] != "2" or seen["netlink"]:
        missing[LimitName.SYSTEM_CALLS] = "nothing filters system calls"
    if seen["files"] >= _LIMITS.open_files:
        missing[LimitName.OPEN_FILES] = f"{seen['files']} files could be opened where {_LIMITS.open_files} may be"
    if seen["writes"]:
        missing[LimitName.FILE_SIZE] = "a file grew beyond its size"
    return missing


def _processes(result: SandboxResult) -> Mapping[LimitName, str]:
    # Refused by the kernel, which the program says with its exit code, or seen from outside.
    held = result.ended_by is EndedBy.PROCESS_LIMIT or result.exit_code == _REFUSED
    return {} if held else {LimitName.PROCESSES: f"what starts 100 ends by {_end(result)}"}


def _log(result: SandboxResult) -> Mapping[LimitName, str]:
    if result.ended_by is EndedBy.OUTPUT_LIMIT and len(result.log) < 2 * _LIMITS.log_bytes:
        return {}
    return {LimitName.LOG: f"{len(result.log)} bytes were kept, and what prints too much ends by {_end(result)}"}


def _end(result: SandboxResult) -> str:
    words = result.log[-200:].decode(errors="replace").strip()
    return f"{result.ended_by}, {result.exit_code if result.signal is None else f'signal {result.signal}'} {words!r}"


def _is_alive(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False
