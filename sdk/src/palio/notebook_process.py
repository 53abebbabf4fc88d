"""The outer side of `palio test --notebook`: finds the kit's notebook, has it run, and says how far it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from palio.contract_errors import KitError
from palio.kit_process import events, started
from palio.progress import progress_bar
from palio.terminal import say

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def notebook_of(kit: Path) -> Path:
    """The kit's `*_starting_kit.ipynb`, else its only notebook; raises KitError in words if there is no such one."""
    found = sorted(kit.glob("*_starting_kit.ipynb")) or sorted(kit.glob("*.ipynb"))
    if not found:
        raise KitError(f"{kit} has no notebook. It would be called {kit.name}_starting_kit.ipynb.")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise KitError(f"Which notebook? {kit} holds {names}. Call the one that is meant {kit.name}_starting_kit.ipynb.")
    return found[0]


def run_notebook(kit: Path) -> bool:
    """Run the kit's notebook in its environment and say what fails; whether nothing did."""
    notebook = notebook_of(kit)
    last: dict[str, Any] = {}
    with started(kit, "notebook", notebook) as process, progress_bar("Running", "cells") as moved:
        for last in events(process, last={"done", "failed"}):
            if last["event"] == "cell":
                moved(completed=last["number"], total=last["n_cells"])
    if last.get("event") == "done":
        say(f"{notebook.name} runs from top to bottom.", "green")
        return True
    words = _COLOURS.sub("", str(last.get("words", "the process that ran it ended too early.")))
    say(f"{notebook.name} fails: {words}", "bold red")
    return False
