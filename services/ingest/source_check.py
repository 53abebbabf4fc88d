"""Whether submitted Python files parse, asked of a limited child process.

Deep nesting makes Python's parser raise MemoryError or RecursionError, and has crashed it: whatever happens to the child is
an error in the file, told with file, line and message, and never happens to ingest.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIME_LIMIT_S = 20
PARSER = Path(__file__).parent / "parse_source.py"


@dataclass(frozen=True)
class SourceError:
    """A place in a submitted file that is not valid. `line` counts from 1; None where no line is to blame."""

    file: str
    line: int | None
    message: str


def check_sources(sources: Mapping[str, bytes], python_version: str) -> list[SourceError]:
    """The first error of each Python file, for the grammar of `python_version` ("3.11"); empty if all parse.

    The grammar is that of the newest Python that both this host and `python_version` know.
    """
    errors: list[SourceError] = []
    for name, content in sources.items():
        error = _check(name, content, python_version)
        if error is not None:
            errors.append(error)
    return errors


def _check(name: str, content: bytes, python_version: str) -> SourceError | None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return SourceError(name, line, f"byte {error.start} is not UTF-8; save the file as UTF-8")
    if b"\0" in content:
        return SourceError(name, content[: content.index(b"\0")].count(b"\n") + 1, "the file holds a NUL byte")
    try:
        child = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(PARSER), python_version],
            input=content,
            capture_output=True,
            timeout=TIME_LIMIT_S,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return SourceError(name, None, f"takes Python longer than {TIME_LIMIT_S} s to parse; simplify it")
    if child.returncode != 0:
        return SourceError(name, None, "is nested so deeply that Python's parser gives up; simplify it")
    answer = json.loads(child.stdout)
    return SourceError(name, answer["line"], answer["message"]) if answer else None
