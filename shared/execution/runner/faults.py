"""Tracebacks for people: of a participant's failure, the frames of their own files; of an organiser's, all of it.

The platform's and the libraries' frames say nothing about what to change, but the innermost one, which says where it broke.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

_MAX_TEXT = 20_000
_MAX_FRAMES = 60
_MAX_CHAIN = 5


def own_traceback(error: BaseException, folder: str) -> str:
    """The traceback of `error` reduced to files in `folder`, named relative to it, and the innermost frame."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(parts) < _MAX_CHAIN:
        seen.add(id(current))
        parts.append(_one(current, folder))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    text = "\n\nThat happened while this was being handled:\n\n".join(parts)
    return cut(text)


def whole_traceback(error: BaseException) -> str:
    """The traceback of `error` with every frame, for the organiser whose code it is."""
    return cut("".join(traceback.format_exception(type(error), error, error.__traceback__)))


def is_raised_by_import(error: BaseException, folder: str) -> bool:
    """Whether `error` came while the modules in `folder` were being imported, and not when something in them was called."""
    own = [name for filename, name in _frames(error.__traceback__) if _is_inside(filename, folder)]
    if own:
        return own[0] == "<module>"
    filename = getattr(error, "filename", None)
    about_own_file = isinstance(filename, str) and _is_inside(filename, folder)
    # No line of theirs was reached: the file is missing, does not parse, or a word in it is refused by the workflow.
    return isinstance(error, ImportError) or (isinstance(error, (SyntaxError, OSError)) and about_own_file)


def words_of(error: BaseException) -> str:
    """Type and message in one line, whatever the error's own methods do."""
    if type(error) in (SyntaxError, IndentationError, TabError):
        # Its own words name file and line; the lines of source are in the traceback.
        return cut(f"{type(error).__name__}: {error}", 500)
    return cut(" ".join("".join(traceback.format_exception_only(type(error), error)).split()), 500)


def name_of(error: BaseException) -> str:
    """The name of the error's class, which a class of that class cannot hide."""
    name: str = type.__dict__["__name__"].__get__(type(error))
    return cut(name, 500)


def cut(text: str, limit: int = _MAX_TEXT) -> str:
    """The text, without what would not survive as text, cut in the middle where it is too long."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}\n[...]\n{text[-limit // 2 :]}"


def _one(error: BaseException, folder: str) -> str:
    try:
        summary = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
    except TypeError:
        # Python 3.8 and 3.9 have no `compact`.
        summary = traceback.TracebackException(type(error), error, error.__traceback__)
    frames = list(summary.stack)
    kept = [frame for frame in frames if _is_inside(frame.filename, folder)]
    if frames and frames[-1] not in kept:
        kept.append(frames[-1])
    lines = ["Traceback of your files (most recent call last):"]
    for frame in kept[-_MAX_FRAMES:]:
        lines.append(f'  File "{_shown(frame.filename, folder)}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            lines.append(f"    {frame.line}")
    if not kept:
        lines = []
    last = "".join(summary.format_exception_only()).rstrip()
    return "\n".join([*lines, last.replace(folder + os.sep, "")])


def _frames(trace: TracebackType | None) -> list[tuple[str, str]]:
    frames: list[tuple[str, str]] = []
    while trace is not None and len(frames) < sys.getrecursionlimit() * 2:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    return frames


def _is_inside(filename: str, folder: str) -> bool:
    return filename.startswith(folder + os.sep)


def _shown(filename: str, folder: str) -> str:
    if _is_inside(filename, folder):
        return os.path.relpath(filename, folder)
    # From the package on: where it is installed says nothing.
    _, found, package = filename.rpartition("site-packages" + os.sep)
    return package if found else f".../{Path(filename).name}"
