"""The inner side of `palio test --notebook`: runs a notebook in the kit's environment. Writes nothing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from palio.channel import Say, own_channel

#: What runs a notebook, and what runs its code.
NEEDED = ("nbclient", "ipykernel")


def run(notebook: Path, say: Say) -> bool:
    """Run its cells from top to bottom, in its folder; says `cell` before each, and what failed. True if none did."""
    missing = [name for name in NEEDED if not _is_there(name)]
    if missing:
        say(
            "failed",
            words=f"Notebooks are run by {' and '.join(NEEDED)}, which the kit's environment lacks. "
            f"Install them: {sys.executable} -m pip install {' '.join(NEEDED)}",
        )
        return False
    # The kit's environment has them; this package does not ask for them.
    nbclient, nbformat = (importlib.import_module(name) for name in ("nbclient", "nbformat"))
    try:
        content = nbformat.read(notebook, as_version=4)
        client = nbclient.NotebookClient(
            content, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(notebook.parent)}}
        )
        n_cells = len(content.cells)
        client.on_cell_start = lambda cell_index, **_: say("cell", number=cell_index, n_cells=n_cells)
        client.execute()
    except Exception as error:  # noqa: BLE001 - what is no notebook, or what a cell raised
        say("failed", words=_words(error))
        return False
    say("done")
    return True


def _is_there(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _words(error: Exception) -> str:
    # A cell's failure holds the cell and its traceback; anything else is one sentence.
    text = str(error).strip()
    return text if hasattr(error, "ename") else f"{type(error).__name__}: {text}"


def main(arguments: list[str]) -> int:
    """Run `[notebook]`; 1 if it fails."""
    say: Any = own_channel()
    return int(not run(Path(arguments[0]).resolve(), say))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
