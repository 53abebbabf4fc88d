"""The script that the sandbox's Python starts: `python -s -B /runner/start.py ROLE [MODULE ...]`.

Not `-I`, which would ignore PYTHONHASHSEED: the sandbox's environment holds nothing but our own variables anyway.
"""

import importlib
import sys

if __name__ == "__main__":
    # The one import by the script's folder; after it, only the kit and its environment are found.
    runner = importlib.import_module("palio_runner.main")
    sys.path.remove("/runner")
    runner.main(sys.argv[1], sys.argv[2:])
