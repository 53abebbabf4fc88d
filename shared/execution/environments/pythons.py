"""Which of the host's Pythons a kit gets: the one that its organiser names, else one that fits what its files say."""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from shared.execution.environments.interpreters import (
    Interpreter,
    MissingInterpreterError,
    find_interpreter,
    interpreters_here,
    named_here,
)

#: A release of a version, such as 3.10.4, pins the version: which releases of it a host has is not the kit's business.
_PINNED = re.compile(r"^(==|~=)\s*(\d+\.\d+)(?:\.[\w*]+)*$")


def python_for(asked: str | None, allowed: str | None) -> Interpreter:
    """The interpreter for an organiser's own version like "3.11", or for bounds such as `>=3.8,<3.12`.

    Of several that fit the one that runs this comes first, then the newest. Raises `MissingInterpreterError`.
    """
    if asked is not None:
        return find_interpreter(asked)
    try:
        bounds = SpecifierSet(",".join(_loosened(part) for part in allowed.split(","))) if allowed else SpecifierSet()
    except InvalidSpecifier:
        raise MissingInterpreterError(
            f"the kit asks for Python {allowed}, which makes no sense; there is {named_here()}"
        ) from None
    for interpreter in interpreters_here():
        if bounds.contains(interpreter.full_version, prereleases=True):
            return interpreter
    raise MissingInterpreterError(f"the kit asks for Python {allowed}, which is not installed here; there is {named_here()}")


def _loosened(part: str) -> str:
    pinned = _PINNED.match(part.strip())
    return f"=={pinned[2]}.*" if pinned else part
