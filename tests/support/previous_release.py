"""The previous release: its source tree from the history of this repository, and its code at work in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/upgrades"
#: Moves on with each release; see the README beside it.
COMMIT = (FOLDER / "previous-release").read_text().strip()
LIMIT_S = 240


class NoHistoryError(Exception):
    """This is no clone with that commit in it, such as an unpacked archive, or a shallow clone."""


def source_tree(folder: Path) -> Path:
    """That release's source, unpacked into a folder. Raises `NoHistoryError`."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], capture_output=True, check=False, timeout=LIMIT_S)
    if archive.returncode != 0:
        raise NoHistoryError(archive.stderr.decode(errors="replace").strip())
    # By tar itself: Python's own can be told to trust nothing only from 3.11.4 on, and Debian 12 has 3.11.2.
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True, timeout=LIMIT_S)
    return folder


def environment(tree: Path) -> dict[str, str]:
    """An environment in which Python finds that release's modules, and today's packages."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(tree), str(tree / "sdk/src")])}


def migrate_as_then(tree: Path, owner_url: str, passwords: Mapping[str, str]) -> None:
    """That release's migrations on a database; `passwords` by service."""
    variables = {f"PALIO_{service.upper()}_DATABASE_PASSWORD": password for service, password in passwords.items()}
    subprocess.run(
        [sys.executable, "-m", "shared.migrations"],
        cwd=tree,
        env={**environment(tree), **variables, "PALIO_OWNER_DATABASE_URL": owner_url},
        timeout=LIMIT_S,
        check=True,
    )


def history_of_then(tree: Path, databases: Mapping[str, str], store: Mapping[str, str]) -> dict[str, Any]:
    """That release's code plays a history on a database; returns what its leaderboard says in the end."""
    given = json.dumps({"tree": str(tree), "databases": dict(databases), "store": dict(store)})
    done = subprocess.run(
        [sys.executable, FOLDER / "history_of_then.py"],
        input=given,
        env=environment(tree),
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the previous release's code failed:\n{done.stderr[-4000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
