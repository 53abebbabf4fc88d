"""What is fixed about every run, so that it can be repeated, and what else it depends on: to be recorded with it.

Owns the values. They are set in the sandbox by its environment variables and by the runner, before a line of a submission runs;
what it changes itself afterwards is its own.
"""

import platform

from shared.events import RunConditions
from shared.execution.environments.interpreters import Interpreter

#: Of `random` and of numpy's global generator, anew for every fold.
SEED = 0
#: Of `hash`, and so of the order of sets.
HASH_SEED = 0
#: Of every library that would start some by itself: a fold has one core.
THREADS = 1

VARIABLES = {
    "PYTHONHASHSEED": str(HASH_SEED),
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    **dict.fromkeys(
        (
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
            "VECLIB_MAXIMUM_THREADS",
            "LOKY_MAX_CPU_COUNT",
            "PYTHON_CPU_COUNT",
        ),
        str(THREADS),
    ),
}


def run_conditions(interpreter: Interpreter) -> RunConditions:
    """The conditions of runs on this host with this interpreter."""
    return RunConditions(
        seed=SEED,
        hash_seed=HASH_SEED,
        threads=THREADS,
        python_version=interpreter.full_version,
        platform=f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
    )
