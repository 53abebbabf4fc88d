"""Runs in a child process of its own: parse the Python source on standard input, and say in JSON what is wrong with it.

Imports nothing of the platform. A parser that breaks ends this process with an exit code other than 0.
"""

import ast
import json
import resource
import sys
import warnings

MEMORY_BYTES = 1 << 30
CPU_S = 10


def main() -> None:
    """Print `{"line", "message"}`, or `null` for source that parses."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # An invalid escape sequence is a warning here and an error nowhere.
    warnings.simplefilter("ignore")
    major, minor = (int(part) for part in sys.argv[1].split(".")[:2])
    # Grammars before 3.7 and after this Python's own can't be asked for.
    version = min(max((major, minor), (3, 7)), sys.version_info[:2])
    try:
        ast.parse(sys.stdin.buffer.read(), feature_version=version)
    except SyntaxError as error:
        json.dump({"line": error.lineno, "message": error.msg}, sys.stdout)
    else:
        json.dump(None, sys.stdout)


if __name__ == "__main__":
    main()
