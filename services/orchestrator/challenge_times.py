"""The times of challenges: once one has come by the ledger's clock, the event that says so is appended, once.

Who is in time is decided by that clock alone: ingest compares a submission's `recorded_at` with the rules. `recorded_at` never goes
back along the ledger, and no event here stands before its time. So whatever is recorded after `ChallengeClosed` was recorded at
or after the closing time, and is late.

Under faults: this process's clock is never asked. A clock that decides too early, whichever it is, ends in a rollback, since what
`append` returns is compared too; one that is behind delays until it gets there. Dead before the commit: nothing happened, and
the next look finds the same times due. Dead after it, or two orchestrators at once: the ids are derived from challenge and type, so
the second append is refused as a whole, and the tables hear of the first.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from services.orchestrator.tables import CHALLENGE_TIMES
from shared.events import ChallengeClosed, ChallengeCreated, ChallengeMoment, ChallengeOpened, CodeOpened, RecordedEvent
from shared.ledger import DuplicateEventError, NewEvent, Rows, append, derived_id, read_stream
from shared.telemetry import get_logger

log = get_logger(__name__)

#: In the order in which they come, which the rules guarantee and equal times keep.
MOMENTS: tuple[type[ChallengeMoment], ...] = (ChallengeOpened, CodeOpened, ChallengeClosed)
#: Challenges looked at in one turn of the scheduler, which does other work too; the rest come with the next.
_AT_ONCE = 100

#: The time that the ledger would give to an event now. It is asked for, since this host's clock may differ.
LedgerClock = Callable[[Connection], datetime]


class TooEarlyError(Exception):
    """By the ledger's clock the time has not come: roll back."""


def when_challenge_created(rows: Rows, event: ChallengeCreated) -> None:
    """Its three times are to come, even if they are in the past."""
    for number, due_at in enumerate((event.opens_at, event.code_opens_at, event.closes_at), start=1):
        rows.insert(CHALLENGE_TIMES, challenge_id=event.challenge_id, number=number, due_at=due_at)


def when_moment_came(rows: Rows, event: ChallengeMoment, _recorded: RecordedEvent) -> None:
    """It is said."""
    rows.delete(CHALLENGE_TIMES, (event.challenge_id, MOMENTS.index(type(event)) + 1))


def ledger_clock(connection: Connection) -> datetime:
    """The time that an event appended now would carry, or a little before it."""
    statement = text("SELECT greatest(clock_timestamp(), recorded_at) FROM ledger.head")
    now: datetime = connection.execute(statement).scalar_one()
    return now


def record_what_has_come(engine: Engine, clock: LedgerClock = ledger_clock) -> int:
    """Append what is due of every challenge; returns how many events that were, without those that another was quicker with."""
    due: dict[str, list[ChallengeMoment]] = {}
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT challenge_id, number, due_at FROM challenge_times WHERE challenge_id IN"
                " (SELECT challenge_id FROM challenge_times WHERE due_at <= :now ORDER BY due_at LIMIT :at_once)"
                " AND due_at <= :now ORDER BY challenge_id, number"
            ),
            {"now": clock(connection), "at_once": _AT_ONCE},
        )
        for row in rows:
            moment = MOMENTS[row.number - 1](challenge_id=row.challenge_id, due_at=row.due_at)
            due.setdefault(row.challenge_id, []).append(moment)
    return sum(_record(engine, moments) for moments in due.values())


def _record(engine: Engine, moments: list[ChallengeMoment]) -> int:
    """All that is due of one challenge, in one transaction: another challenge's must not fail with it."""
    try:
        with engine.begin() as connection:
            _append(connection, moments)
    except TooEarlyError:
        log.warning("clock_is_ahead", challenge=moments[0].challenge_id, due_at=moments[-1].due_at.isoformat())
        return 0
    except DuplicateEventError:
        return 0
    for moment in moments:
        log.info("moment_came", type=type(moment).__name__, challenge=moment.challenge_id)
    return len(moments)


def _append(connection: Connection, moments: list[ChallengeMoment]) -> None:
    stream = moments[0].stream
    # Its first event is the challenge's creation, as every reader of it expects: what stands in these tables came from there.
    created = read_stream(connection, stream)[0]
    metadata = created.metadata.caused_by(created).model_copy(update={"actor_id": None})
    events = [NewEvent(each, metadata, id=derived_id(stream, type(each).__name__)) for each in moments]
    if append(connection, events).recorded_at < moments[-1].due_at:
        raise TooEarlyError
