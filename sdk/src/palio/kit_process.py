"""Running a module of palio under the Python of a kit's environment, and hearing what it says."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from palio.channel import event_of

#: Signals that end a program which does nothing about them.
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
#: A wait is cut into such pieces: on Windows, nothing interrupts one.
_PIECE_S = 0.5
#: How long a process that is ended may take to end what it started.
_GRACE_S = 5.0


def environment_python(kit: Path) -> str:
    """The Python of the kit's own environment, `.venv`, else the one that runs this."""
    own = python_in(kit / ".venv")
    return str(own) if own.exists() else sys.executable


def python_in(environment: Path) -> Path:
    """Where a virtual environment has its Python."""
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def kit_command(kit: Path, module: str, *arguments: object) -> list[str]:
    """The command that runs a module of palio in the kit's environment, with these arguments."""
    return [environment_python(kit), str(Path(__file__).with_name("bootstrap.py")), module, *map(str, arguments)]


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Turn the signals that would end this process at once into SystemExit, so that others can be ended before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    # One that is ignored, as under nohup, stays so; one that is not Python's is not ours to put back.
    before = {each: signal.signal(each, end) for each in _ENDING if signal.getsignal(each) not in {signal.SIG_IGN, None}}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def started(
    kit: Path, module: str, *arguments: object, variables: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A module of palio that runs in the kit's environment, with these arguments; ended when this side is interrupted or ended.

    `variables` are all of its environment's; None: the same as here.
    """
    with ended_in_order():
        process = subprocess.Popen(kit_command(kit, module, *arguments), stdout=subprocess.PIPE, env=variables)
        try:
            yield process
        finally:
            # Reached with a running process only when this side was interrupted.
            _end(process)
            if process.stdout is not None:
                process.stdout.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it so that it can end what it started, such as a notebook's kernel; if it does not, at once."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def events(process: subprocess.Popen[bytes], last: set[str]) -> Iterator[dict[str, Any]]:
    """What the process says, up to one of these last words, or to its end: a child of the kit's code may hold the pipe open for longer."""
    for line in _lines(process):
        event = event_of(line)
        if event is None:
            continue
        is_last = event["event"] in last
        yield event
        if is_last:
            return


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    lines: queue.Queue[bytes | None] = queue.Queue()

    def read() -> None:
        # Closed by the other side in the middle of it, when nobody wants to hear more.
        with suppress(OSError, ValueError):
            for line in process.stdout or ():
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_PIECE_S)
        except queue.Empty:
            if process.poll() is not None:
                return
            continue
        if line is None:
            return
        yield line
