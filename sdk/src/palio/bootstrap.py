"""Starts a module of palio, such as `palio.trial`, under another environment's Python.

Run as a script, by its path. Uses the palio of that environment where it has one; where it has none, as for a kit written
with ramp-workflow, the palio that this file belongs to. Putting that one's parent folder on `sys.path` instead would let all
packages beside it shadow the kit's own versions.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Find palio, then run the module that the first argument names with the others."""
    here = Path(__file__).resolve().parent
    # A script's folder comes first on sys.path; its modules are not meant to be imported by their bare names.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    if importlib.util.find_spec("palio") is None:
        spec = importlib.util.spec_from_file_location("palio", here / "__init__.py", submodule_search_locations=[str(here)])
        if spec is None or spec.loader is None:
            raise ImportError(f"{here} holds no palio.")
        package = importlib.util.module_from_spec(spec)
        sys.modules["palio"] = package
        spec.loader.exec_module(package)
    name, *arguments = sys.argv[1:]
    # Only now is it known which palio that is.
    return int(importlib.import_module(f"palio.{name}").main(arguments))


if __name__ == "__main__":
    sys.exit(main())
