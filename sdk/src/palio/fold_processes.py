"""The processes that train the folds of a trial: starts them, gives them jobs, hears what they say, ends them all.

One after another in one process, or several at a time; what they say is the same. Knows nothing of scores.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, Callable

from palio.channel import MARK, event_of
from palio.kit_process import ended_in_order
from palio.trial_choices import Choices, Job

#: Takes a line that a process printed, and what it belongs to: `fold 2`, or nothing.
Heard = Callable[[str, str], None]
#: A wait is cut into such pieces: on Windows, nothing interrupts one.
_PIECE_S = 0.5
_ENDED = "ended"


def to_standard_error(belongs_to: str, line: str) -> None:
    """Print what a process printed, with what it belongs to before it."""
    sys.stderr.write(f"{belongs_to} | {line}" if belongs_to else line)
    sys.stderr.flush()


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    started_at: float
    leads_group: bool
    #: Seconds from its start until it had read the kit's data; None before.
    start_up_s: float | None = None
    job: Job | None = None


@dataclass
class FoldProcesses:
    """Up to `at_once` processes, each of which trains a fold, then another.

    Others than the first are started when it has been at its folds for as long as it took to start: where folds are quicker than that,
    they would come too late to help.
    """

    command: list[str]
    environment: dict[str, str]
    at_once: int
    choices: Choices
    heard: Heard = to_standard_error
    #: For the others to wait after the first one's start, in seconds; None: as long as that took.
    head_start_s: float | None = None
    _workers: list[_Worker] = field(default_factory=list)
    _listeners: list[threading.Thread] = field(default_factory=list)
    _said: queue.Queue[tuple[_Worker, dict[str, Any]]] = field(default_factory=queue.Queue)
    _waiting: deque[Job] = field(default_factory=deque)

    def events(self) -> Iterator[dict[str, Any]]:
        """Run it; what the processes say, up to `done`, `failed`, or `ended` with the exit code of one that ended too early."""
        with ended_in_order():
            try:
                self._start("all" if self.at_once == 1 else "first")
                yield from self._events()
            finally:
                self._end()

    def _events(self) -> Iterator[dict[str, Any]]:
        while True:
            self._start_others()
            try:
                worker, event = self._said.get(timeout=_PIECE_S)
            except queue.Empty:
                # A child of the submission may hold a pipe open for longer than its process lives: no end would ever be heard.
                ended = next((worker for worker in self._workers if worker.process.poll() is not None), None)
                if ended is None:
                    continue
                worker, event = ended, _end_of(ended)
            kind = event["event"]
            if kind == "start":
                worker.start_up_s = time.monotonic() - worker.started_at
                if worker is not self._workers[0]:
                    self._give_job(worker)
                    continue
                self._waiting = deque(self.choices.jobs(event["n_folds"]))
            # Before anyone hears of it, so that no process waits for what is done about it.
            if kind in {"start", "fold", "retrained"} and self.at_once > 1:
                self._give_job(worker)
            yield event
            if kind in {"done", "failed", _ENDED}:
                return

    def _start_others(self) -> None:
        """Start another process if there is work for it and it comes in time."""
        first = self._workers[0]
        if first.start_up_s is None or self.at_once == 1:
            return
        head_start_s = first.start_up_s if self.head_start_s is None else self.head_start_s
        if time.monotonic() < first.started_at + first.start_up_s + head_start_s:
            return
        starting = sum(worker.start_up_s is None for worker in self._workers)
        # The bag comes last, and is made by whoever ends last.
        while len(self._workers) < self.at_once and starting < len(self._waiting) - 1:
            self._start("more")
            starting += 1

    def _give_job(self, worker: _Worker) -> None:
        worker.job = None
        at_work = any(each.job is not None for each in self._workers)
        if not self._waiting or ("bag" in self._waiting[0] and at_work):
            return
        worker.job = self._waiting.popleft()
        _send(worker.process, worker.job)

    def _start(self, plan: str) -> None:
        process = subprocess.Popen(
            [*self.command, plan],
            # With one process the terminal stays its own: a submission may stop in a debugger.
            stdin=None if plan == "all" else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if plan == "all" else subprocess.PIPE,
            env=self.environment,
            # A group of its own, to be ended with all that it started. With one process, what a terminal sends reaches it too.
            start_new_session=plan != "all",
        )
        worker = _Worker(process, time.monotonic(), leads_group=plan != "all" and os.name == "posix")
        self._workers.append(worker)
        self._listen(process.stdout, lambda lines: self._hear_events(worker, lines))
        self._listen(process.stderr, self._hear_lines)

    def _listen(self, stream: IO[bytes] | None, hear: Callable[[IO[bytes]], None]) -> None:
        if stream is None:
            return

        def listen() -> None:
            with stream:
                hear(stream)

        thread = threading.Thread(target=listen, daemon=True)
        self._listeners.append(thread)
        thread.start()

    def _hear_events(self, worker: _Worker, stream: IO[bytes]) -> None:
        for line in stream:
            event = event_of(line)
            if event is not None:
                self._said.put((worker, event))
        self._said.put((worker, _end_of(worker)))

    def _hear_lines(self, stream: IO[bytes]) -> None:
        belongs_to = ""
        for line in stream:
            if line.startswith(MARK):
                belongs_to = line[len(MARK) :].decode(errors="replace").strip()
            else:
                self.heard(belongs_to, line.decode(errors="replace"))

    def _end(self) -> None:
        for worker in self._workers:
            _kill(worker)
        for worker in self._workers:
            worker.process.wait()
            if worker.process.stdin is not None:
                with suppress(OSError):
                    worker.process.stdin.close()
        for thread in self._listeners:
            # The rest of what was printed; whatever escaped the group may hold the pipe open.
            thread.join(timeout=_PIECE_S)


def _end_of(worker: _Worker) -> dict[str, Any]:
    return {"event": _ENDED, "code": worker.process.wait(), **(worker.job or {})}


def _send(process: subprocess.Popen[bytes], job: Job) -> None:
    if process.stdin is None:
        return
    # A process that has just ended is told of by its end.
    with suppress(OSError):
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()


def _kill(worker: _Worker) -> None:
    """End a process at once, with its group if it leads one: also where it has ended and left children behind."""
    if not worker.leads_group:
        worker.process.kill()
        return
    # macOS refuses to signal a group of which only the dead are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.process.pid, signal.SIGKILL)
