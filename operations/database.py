"""What the database tells, as its owner: lags, dead letters, the oldest submission that is not finished."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, create_engine, text

from operations.facts import DeadLetters, Lag
from operations.waiting import Progress

#: Seconds. Whoever asks wants an answer, also where the server hangs.
CONNECT_LIMIT_S = 3
STATEMENT_LIMIT_S = 5

_LAG = text("""
SELECT h.position - :position AS events, coalesce(extract(epoch FROM clock_timestamp() - e.recorded_at), 0) AS seconds
FROM ledger.head h LEFT JOIN ledger.events e ON e.position = :position + 1
""")
_OLDEST = text("""
SELECT s.submission_id, s.challenge_id, s.state, s.pool, s.n_folds, extract(epoch FROM clock_timestamp() - s.submitted_at) AS age_s,
    (SELECT count(*) FROM leaderboard.folds f WHERE f.run_id = s.run_id AND f.train_time_s IS NOT NULL) AS folds_done,
    coalesce((SELECT bool_or(j.requested_at IS NOT NULL) FROM orchestrator.runs r JOIN orchestrator.jobs j USING (run_id)
        WHERE r.submission_id = s.submission_id), false) AS requested,
    coalesce((SELECT bool_or(j.started_at IS NOT NULL) FROM orchestrator.runs r JOIN orchestrator.jobs j USING (run_id)
        WHERE r.submission_id = s.submission_id), false) AS begun
FROM leaderboard.submissions s WHERE s.state NOT IN ('scored', 'failed', 'withdrawn') ORDER BY s.submitted_at LIMIT 1
""")


@dataclass(frozen=True)
class Oldest:
    """The oldest submission that is not finished."""

    submission_id: str
    challenge: str
    age_s: float
    progress: Progress


@dataclass(frozen=True)
class FromDatabase:
    """All that it tells. `lags` by schema: the relay's, and each read model's that follows the ledger."""

    lags: dict[str, Lag]
    dead_letters: DeadLetters
    mail_off: str | None
    oldest: Oldest | None


def ask_database(url: str) -> FromDatabase:
    """Ask, within seconds. Raises SQLAlchemy's `OperationalError` if it is away, `ProgrammingError` if it is not migrated."""
    options = {"connect_timeout": CONNECT_LIMIT_S, "options": f"-c statement_timeout={STATEMENT_LIMIT_S}s"}
    engine: Engine = create_engine(url, hide_parameters=True, connect_args=options)
    try:
        with engine.connect() as connection:
            return FromDatabase(_lags(connection), _dead_letters(connection), _mail_off(connection), _oldest(connection))
    finally:
        engine.dispose()


def _lags(connection: Connection) -> dict[str, Lag]:
    # One that is being made anew beside another is nobody's yet.
    schemas = connection.execute(
        text(
            "SELECT table_schema FROM information_schema.tables WHERE table_name = 'checkpoint'"
            " AND table_schema !~ '_(made_anew|replaced)$' ORDER BY 1"
        )
    ).scalars()
    lags = {}
    for schema in schemas:
        position = connection.execute(text(f'SELECT position FROM "{schema}".checkpoint')).scalar_one()  # noqa: S608  (our own schemas)
        row = connection.execute(_LAG, {"position": position}).one()
        lags[schema] = Lag(schema, int(row.events), round(float(row.seconds), 1))
    return lags


def _dead_letters(connection: Connection) -> DeadLetters:
    rows = connection.execute(
        text(
            "SELECT coalesce(queue, 'an unknown queue') AS queue, count(*) AS number,"
            " extract(epoch FROM clock_timestamp() - min(received_at)) AS oldest_s FROM orchestrator.dead_letters GROUP BY queue"
        )
    ).all()
    return DeadLetters({row.queue: row.number for row in rows}, round(max((float(row.oldest_s) for row in rows), default=0.0), 1))


def _mail_off(connection: Connection) -> str | None:
    reason: str | None = connection.execute(text("SELECT reason FROM mailer.silence")).scalar_one_or_none()
    return reason


def _oldest(connection: Connection) -> Oldest | None:
    row = connection.execute(_OLDEST).one_or_none()
    if row is None:
        return None
    progress = Progress(row.state, row.pool, row.folds_done, row.n_folds, row.requested, row.begun)
    return Oldest(str(row.submission_id), row.challenge_id, round(float(row.age_s), 1), progress)
