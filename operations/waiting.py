"""What a submission waits for, in words. Pure."""

from dataclasses import dataclass

from operations.facts import PoolFact


@dataclass(frozen=True)
class Progress:
    """How far a submission has come. `requested`: a job of it is in its pool's queue, or on a trainer; `begun`: on a trainer."""

    state: str
    pool: str
    folds_done: int
    n_folds: int | None
    requested: bool
    begun: bool


def waits_for(progress: Progress, pool: PoolFact | None) -> str:
    """The next thing that must happen; `pool` is None where the orchestrator does not say."""
    if progress.state == "trained":
        return "its scores, from the scorer"
    if progress.begun:
        return f"its training: {progress.folds_done} of {progress.n_folds or '?'} folds are done"
    if pool is not None and pool.state != "open":
        return f"its pool {pool.name}, which is {pool.state}" + (f": {pool.reason}" if pool.reason else "")
    if pool is not None and not pool.trainers:
        return f"a trainer: none lives in pool {pool.name}"
    if progress.requested:
        return f"a trainer of pool {progress.pool} to take it"
    return f"its turn in pool {progress.pool}"
