"""Mail turned off: no mail leaves, until an operator turns it on again. Kept in the database.

While it is off the mailer takes events in, and drops the mails that they cause, with the reason: turned on, it begins with what
happens from then on. A mail that is in a sender's hands when it is turned off still leaves.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from shared.restored import Restored

# A mail that is being sent is its sender's, until the sender's claim ends.
_DROP = text("""
    UPDATE outbox SET state = 'dropped', last_error = silence.reason FROM silence
    WHERE state = 'pending' OR (state = 'sending' AND next_attempt_at <= now())
""")


@dataclass(frozen=True)
class Silence:
    """Since when no mail leaves, and why."""

    since: datetime
    reason: str


def silence_of(connection: Connection) -> Silence | None:
    """None while mails leave."""
    row = connection.execute(text("SELECT since, reason FROM silence")).one_or_none()
    return None if row is None else Silence(row.since, row.reason)


def turn_off(connection: Connection, reason: str) -> int:
    """Let no mail leave from the commit on, and drop those that wait; returns how many. Off already: the first reason stays."""
    connection.execute(text("INSERT INTO silence (reason) VALUES (:reason) ON CONFLICT DO NOTHING"), {"reason": reason})
    return drop_if_off(connection)


def turn_on(connection: Connection) -> bool:
    """Let mails leave again; what was dropped stays so. False if they did already."""
    # What came in since the mailer looked last belongs to the time when it was off.
    drop_if_off(connection)
    return bool(connection.execute(text("DELETE FROM silence")).rowcount)


def drop_if_off(connection: Connection) -> int:
    """While mail is off, drop what waits; returns how many."""
    return connection.execute(_DROP).rowcount


def when_restored(connection: Connection, restored: Restored) -> str:
    """Turn mail off, unless the operator wants it on: a copy of a platform knows real people's addresses."""
    if restored.mail:
        connection.execute(text("DELETE FROM silence"))
        waiting = connection.execute(text("SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')")).scalar_one()
        return (
            f"mail is on; mails that waited when the backup was made, and are sent now, some perhaps a second time: {waiting:,}"
        )
    # Claims of senders that ran when the backup was made are nobody's now.
    connection.execute(text("UPDATE outbox SET state = 'pending' WHERE state = 'sending'"))
    dropped = turn_off(connection, f"restored from the backup of {restored.made_at:%Y-%m-%d %H:%M} UTC")
    return f"mail is off until `palio mail on`; mails that waited and are dropped: {dropped:,}"
