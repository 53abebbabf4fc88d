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
_RAMP_URL = re.compile(r"(git\+)?https?://\S*github\.com\S*/ramp-workflow\b\S*", re.IGNORECASE)
_COMMENT = re.compile(r"(^|\s)#.*$")


class RequirementsError(Exception):
    """The requirements cannot be taken. The message names the line, for the organiser."""


@dataclass(frozen=True)
class KitRequirements:
    """What to install, one requirement a line; the Python version that the kit pins, if any; what was left out, in words."""

    lines: tuple[str, ...]
    python_version: str | None
    notes: tuple[str, ...]


def requirements_of(kit: Path, text: str | None = None) -> KitRequirements:
    """The requirements of an unpacked kit; `text` is an organiser's own file, which counts more. Raises `RequirementsError`."""
    notes: list[str] = []
    python_version = None
    if text is not None:
        lines = _parsed("the requirements", text.splitlines())
    elif (kit / "requirements.txt").is_file():
        lines = _parsed("requirements.txt", _read(kit / "requirements.txt").splitlines())
    elif (kit / "environment.yml").is_file():
        lines, python_version = _of_conda(_read(kit / "environment.yml"), notes)
    else:
        lines = list(_DEFAULT)
    wanted = {canonicalize_name(Requirement(line).name) for line in lines}
    # The runner itself needs numpy; the contract that problem.py imports is often taken for granted.
    for name in ("numpy", *_contracts(kit / "problem.py")):
        if name not in wanted:
            lines.append(name)
    return KitRequirements(tuple(lines), python_version, tuple(notes))


def _read(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > _MAX_TEXT_BYTES:
        raise RequirementsError(f"{path.name} is larger than {_MAX_TEXT_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequirementsError(f"{path.name} is not UTF-8") from error


def _parsed(where: str, lines: Iterable[str]) -> list[str]:
    requirements = []
    for number, line in enumerate(lines, start=1):
        if number > _MAX_LINES:
            raise RequirementsError(f"{where} has more than {_MAX_LINES} lines")
        text = _COMMENT.sub("", line).strip()
        if text:
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
    lines: list[str] = []
    python_version = None
    for entry in entries:
        if isinstance(entry, dict):
            lines += _of_pip(entry, notes)
            continue
        try:
            converted = from_conda(str(entry))
        except CondaError as error:
            raise RequirementsError(f"environment.yml: {error}") from error
        if converted.python_version:
            python_version = converted.python_version
        elif converted.requirement:
            lines.append(_checked("environment.yml", converted.requirement))
        else:
            notes.append(f"environment.yml: {entry!r} is left out: {converted.reason}")
    return lines, python_version


def _of_pip(entry: dict[object, object], notes: list[str]) -> list[str]:
    lines = entry.get("pip")
    if not isinstance(lines, list) or len(entry) != 1:
        raise RequirementsError(f"environment.yml: {str(entry)[:200]!r} is neither a package nor a list for pip")
    requirements = []
    for line in map(str, lines):
        if _RAMP_URL.fullmatch(line.strip()):
            notes.append(f"environment.yml: {line!r} became ramp-workflow from the package index")
            requirements.append("ramp-workflow")
        else:
            requirements += _parsed("environment.yml, pip", [line])
    return requirements


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
