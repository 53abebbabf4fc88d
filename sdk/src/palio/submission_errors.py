"""Failures of submissions, in the platform's words: an outcome, a reason, and the traceback of the submission's own code."""

from __future__ import annotations

import os
import traceback
from pathlib import Path


class SubmissionError(Exception):
    """The submission failed: `outcome` as the platform would call it, and the traceback of its own code."""

    def __init__(self, outcome: str, reason: str, trace: str | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.trace = trace


def explained(error: BaseException, outcome: str, submission: Path) -> SubmissionError:
    """The error of a submission with the traceback cut to its own frames and what they called."""
    own = f"{submission}{os.sep}"
    trace = traceback.TracebackException.from_exception(error)
    frames = list(trace.stack)
    first = next((index for index, frame in enumerate(frames) if frame.filename.startswith(own)), None)
    trace.stack = traceback.StackSummary.from_list([] if first is None else frames[first:])
    at_import = isinstance(error, (ImportError, SyntaxError)) if first is None else frames[first].name == "<module>"
    return SubmissionError(_outcome(error, outcome, at_import=at_import), in_one_line(error), "".join(trace.format()))


def _outcome(error: BaseException, outcome: str, *, at_import: bool) -> str:
    """What the platform calls the end of a submission by this error."""
    if isinstance(error, SystemExit):
        return "crashed"
    if isinstance(error, MemoryError):
        return "memory_limit"
    return "import_error" if at_import else outcome


def in_one_line(error: BaseException) -> str:
    """An error in one line: its kind and its message."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
