"""What administrators decided of pools: a part of the orchestrator's projection."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from services.orchestrator.tables import POOLS
from shared.events import PoolDrained, PoolEvent, PoolPaused, PoolResumed, PoolState, RecordedEvent
from shared.ledger import Handlers, Rows

_STATES: dict[type[PoolEvent], PoolState] = {PoolPaused: "paused", PoolDrained: "drained", PoolResumed: "open"}


@dataclass(frozen=True)
class Pool:
    """A pool as it was decided last, and the ledger position of that; one of which nothing was ever decided is open."""

    name: str
    state: PoolState = "open"
    reason: str = ""
    position: int = 0


@dataclass(frozen=True)
class Drain:
    """Everything of a pool that was requested up to this place in the ledger is to come back."""

    pool: str
    epoch: int
    through: int


def pools(connection: Connection) -> dict[str, Pool]:
    """Every pool of which something was decided, by name."""
    rows = connection.execute(text("SELECT pool, state, reason, position FROM pools"))
    return {row.pool: Pool(row.pool, row.state, row.reason, row.position) for row in rows}


def is_open(connection: Connection, pool: str) -> bool:
    """Whether anything of a pool may be requested."""
    statement = text("SELECT state FROM pools WHERE pool = :pool")
    return connection.execute(statement, {"pool": pool}).scalar_one_or_none() in {None, "open"}


def drains(connection: Connection) -> list[Drain]:
    """The drained pools of which anything is under way.

    The place is that of these tables, in which the pool is drained: whatever is requested after a resumption lies beyond it, so a
    command that comes late, or from an orchestrator that is behind, takes nothing of that.
    """
    statement = text(
        "SELECT pool, epoch, checkpoint.position AS through FROM pools, checkpoint, ledger.head WHERE state = 'drained' AND EXISTS"
        " (SELECT FROM jobs JOIN runs USING (run_id) WHERE runs.pool = pools.pool AND requested_at IS NOT NULL)"
    )
    return [Drain(row.pool, row.epoch, row.through) for row in connection.execute(statement)]


def when_decided(rows: Rows, event: PoolEvent, recorded: RecordedEvent) -> None:
    """The newest decision counts."""
    rows.put(POOLS, (event.pool,), state=_STATES[type(event)], reason=event.reason, position=recorded.position)


POOL_HANDLERS: Handlers = dict.fromkeys(_STATES, when_decided)
