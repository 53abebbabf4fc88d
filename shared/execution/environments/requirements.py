"""Which packages a kit needs: from the organiser's text, the kit's requirements.txt, its environment.yml, or nothing at all.

Pure: text in, requirements out. Only names, extras, versions and markers pass. Everything else (URLs, paths, options) is
refused with its line, because the installer would act on it: `-r /any/file` prints that file, `-e ./x` runs it.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shared.execution.environments.conda import CondaError, from_conda

_MAX_TEXT_BYTES = 100_000
_MAX_LINES = 1000
_DEFAULT = ("numpy", "pandas", "scikit-learn")
#: What a kit imports, and the distribution that has it.
_CONTRACTS = {"rampwf": "ramp-workflow", "palio": "palio"}
_RAMP_URL = re.compile(r"(?:ramp-workflow\s*@\s*)?(git\+)?https?://\S*github\.com\S*/ramp-workflow\b\S*", re.IGNORECASE)
#: In nearly every environment.yml, and missed by nobody.
_LEFT_OUT_SILENTLY = frozenset({"pip", "python"})
_COMMENT = re.compile(r"(^|\s)#.*$")


class RequirementsError(Exception):
    """The requirements cannot be taken. The message names the line, for the organiser."""


@dataclass(frozen=True)
class KitRequirements:
    """What to install, one requirement a line; which Python the kit allows (`==3.10.*`), None for any; what was left out, in words."""

    lines: tuple[str, ...]
    python: str | None
    notes: tuple[str, ...]


def requirements_of(kit: Path, text: str | None = None) -> KitRequirements:
    """The requirements of an unpacked kit; `text` is an organiser's own file, which counts more. Raises `RequirementsError`."""
    notes: list[str] = []
    python = None
    if text is not None:
        lines = _parsed("the requirements", text.splitlines(), notes)
    elif (kit / "requirements.txt").is_file():
        lines = _parsed("requirements.txt", _read(kit / "requirements.txt").splitlines(), notes)
    elif (kit / "environment.yml").is_file():
        lines, python = _of_conda(_read(kit / "environment.yml"), notes)
    else:
        lines = list(_DEFAULT)
    wanted = {canonicalize_name(Requirement(line).name) for line in lines}
    # The runner itself needs numpy; the contract that problem.py imports is often taken for granted.
    for name in ("numpy", *_contracts(kit / "problem.py")):
        if name not in wanted:
            lines.append(name)
    return KitRequirements(tuple(lines), python, tuple(notes))


def _read(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > _MAX_TEXT_BYTES:
        raise RequirementsError(f"{path.name} is larger than {_MAX_TEXT_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequirementsError(f"{path.name} is not UTF-8") from error


def _parsed(where: str, lines: Iterable[str], notes: list[str]) -> list[str]:
    requirements = []
    for number, line in enumerate(lines, start=1):
        if number > _MAX_LINES:
            raise RequirementsError(f"{where} has more than {_MAX_LINES} lines")
        text = _COMMENT.sub("", line).strip()
        if _RAMP_URL.fullmatch(text):
            # What most kits of RAMP ask for: its name is taken from the index, as it is there on the wanted day.
            notes.append(f"{where}: {text!r} became ramp-workflow from the package index")
            requirements.append("ramp-workflow")
        elif text:
            requirements.append(_checked(f"{where}, line {number}", text))
    return requirements


def _checked(where: str, text: str) -> str:
    shown = text if len(text) < 200 else text[:200] + "…"  # noqa: PLR2004 - enough to find the line
    refusal = f"{where}: {shown!r} is refused: write a name, extras, versions and markers, no options, URLs or paths"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise RequirementsError(refusal) from error
    if requirement.url:
        raise RequirementsError(refusal)
    # As it was understood, not as it was written.
    return str(requirement)


def _of_conda(text: str, notes: list[str]) -> tuple[list[str], str | None]:
    lines: list[str] = []
    python = None
    for entry in _entries_of(text):
        if isinstance(entry, dict):
            lines += _of_pip(entry, notes)
            continue
        try:
            converted = from_conda(str(entry))
        except CondaError as error:
            raise RequirementsError(f"environment.yml: {error}") from error
        if converted.python:
            python = converted.python
        elif converted.requirement:
            lines.append(_checked("environment.yml", converted.requirement))
        elif entry not in _LEFT_OUT_SILENTLY:
            notes.append(f"environment.yml: {entry!r} is left out: {converted.reason}")
    return lines, python


def _entries_of(text: str) -> list[str | dict[object, object]]:
    """What stands below `dependencies`."""
    try:
        # Aliases can make a small file huge; no environment needs them.
        if re.search(r"(^|\s)[&*]\w", text):
            raise RequirementsError("environment.yml: anchors and aliases are refused")
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RequirementsError(f"environment.yml cannot be read: {' '.join(str(error).split())}") from error
    entries = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise RequirementsError("environment.yml has no list of dependencies")
    for entry in entries:
        if not isinstance(entry, str | dict):
            raise RequirementsError(f"environment.yml: {str(entry)[:200]!r} is neither a package nor a list for pip")
    return entries


def _of_pip(entry: dict[object, object], notes: list[str]) -> list[str]:
    lines = entry.get("pip")
    if not isinstance(lines, list) or len(entry) != 1:
        raise RequirementsError(f"environment.yml: {str(entry)[:200]!r} is neither a package nor a list for pip")
    return _parsed("environment.yml, pip", map(str, lines), notes)


def _contracts(problem: Path) -> Iterator[str]:
    try:
        tree = ast.parse(problem.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        # Whatever is wrong with it, the preparation says so in the organiser's own traceback.
        return
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
    for module, distribution in _CONTRACTS.items():
        if module in imported:
            yield distribution
