"""How much of its logs a team is shown in a challenge: every training label is inside some fold, and a log can say it.

Logs are counted in the order in which they were recorded, so what is shown of each is fixed with its event and the same after
a rebuild. Lines that are shown while a fold runs are counted with its log, at its end: until then a team may see as much more as
the submissions that run at that moment may print.
"""

from uuid import UUID

from sqlalchemy import Connection, text

#: Of a log whose length was not recorded, by an earlier release, all is shown.
_UNKNOWN_BYTES = 64 * 2**20


def log_budget_left(connection: Connection, challenge_id: str, team_id: UUID) -> int:
    """Bytes that the team may still be shown."""
    statement = text(
        "SELECT greatest(c.team_log_bytes - coalesce(t.shown_bytes, 0), 0) FROM challenges c"
        " LEFT JOIN team_logs t ON t.challenge_id = c.challenge_id AND t.team_id = :team_id"
        " WHERE c.challenge_id = :challenge_id"
    )
    return int(connection.execute(statement, {"challenge_id": challenge_id, "team_id": team_id}).scalar_one())


#: Looked up, taken off and told in one statement: this is what most events of a rebuild cost.
SPEND = text("""
    WITH budget AS (
        SELECT challenge_id, team_id,
            least(CAST(:log_bytes AS bigint), greatest(c.team_log_bytes - coalesce(t.shown_bytes, 0), 0)) AS shown
        FROM submissions s JOIN challenges c USING (challenge_id) LEFT JOIN team_logs t USING (challenge_id, team_id)
        WHERE s.submission_id = :submission_id
    )
    INSERT INTO team_logs AS t SELECT challenge_id, team_id, shown FROM budget
    ON CONFLICT (challenge_id, team_id) DO UPDATE SET shown_bytes = t.shown_bytes + excluded.shown_bytes
    RETURNING (SELECT shown FROM budget)
""")


def spend_log_budget(connection: Connection, submission_id: UUID, log_bytes: int | None) -> int:
    """Take a log of this length off its team's budget; returns how much of it the team is shown."""
    if log_bytes is None:
        return _UNKNOWN_BYTES
    return int(connection.execute(SPEND, {"submission_id": submission_id, "log_bytes": log_bytes}).scalar_one())
