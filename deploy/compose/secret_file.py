"""The secrets of compose.yaml as a `.env` file. `script/compose-secrets` runs this with any Python: standard library only.

What compose.yaml names as `${NAME:?…}` is what it needs, so the two cannot come apart.
"""

import os
import re
import secrets
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_REQUIRED = re.compile(r"\$\{([A-Z0-9_]+):\?")


def required_names(compose: str) -> list[str]:
    """The variables that compose.yaml cannot do without, in its order."""
    return list(dict.fromkeys(_REQUIRED.findall(compose)))


def with_missing(present: str, names: list[str]) -> str:
    """The `.env` file with a random secret for each name that it lacks; what is there stays as it is."""
    known = {line.partition("=")[0].strip() for line in present.splitlines()}
    # Hexadecimal: these stand in URLs, in YAML and in shells.
    lines = [f"{name}={secrets.token_hex(20)}" for name in names if name not in known]
    return "".join(f"{line}\n" for line in [*present.splitlines(), *lines])


def main() -> int:
    """Write the file; returns the exit code."""
    path = _ROOT / ".env"
    names = required_names((_ROOT / "compose.yaml").read_text(encoding="utf-8"))
    content = with_missing(path.read_text(encoding="utf-8") if path.exists() else "", names)
    temporary = path.with_name(".env.new")
    temporary.unlink(missing_ok=True)
    # Made with its mode: at no moment can others read it.
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    temporary.replace(path)
    sys.stdout.write(f"{path} holds {len(names)} secrets. Next: docker compose up --build --detach --wait\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
