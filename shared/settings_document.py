"""Makes `docs/settings.md` from the settings: `python -m shared.settings_document > docs/settings.md`."""

import json
import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.settings import ALL_SETTINGS, OperatorSettings, PalioSettings

INTRODUCTION = """\
# Settings

Made by `script/docs` from `shared/settings.py`; a test fails when it is out of date.

Every setting is an environment variable. A service reads its own at start; `script/up` and `compose.yaml` set them. `operator` are
the commands of operators: `script/up` writes what they need to `.palio/operator.env`.
"""


def document() -> str:
    """The page: every setting, its default, and the services that read it."""
    fields: dict[str, FieldInfo] = {}
    services: dict[str, list[str]] = {}
    readers_of: tuple[type[PalioSettings], ...] = (*ALL_SETTINGS, OperatorSettings)
    for settings in readers_of:
        for name, field in settings.model_fields.items():
            fields[name] = field
            services.setdefault(name, []).append(settings.__name__.removesuffix("Settings").lower())
    lines = [INTRODUCTION, "| variable | default | read by | meaning |", "| --- | --- | --- | --- |"]
    for name, field in sorted(fields.items()):
        readers = "all" if len(services[name]) == len(ALL_SETTINGS) else ", ".join(sorted(services[name]))
        lines.append(f"| `PALIO_{name.upper()}` | {_default(field)} | {readers} | {field.description} |")
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    match field.default:
        case value if value is PydanticUndefined:
            return "required"
        case SecretStr():
            return "empty"
        case Path() as path:
            return f"`{path}`"
        case "" | None:
            return "empty"
        case list() as values:
            return f"`{json.dumps([str(value) for value in values])}`"
        case value:
            return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(document())
