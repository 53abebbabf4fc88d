"""How much of its logs a team is shown in a challenge: every training label is inside some fold, and a log can say it.

Logs are counted in the order in which they were recorded, so what is shown of each is fixed with its event and the same after
a rebuild. Lines that are shown while a fold runs are counted with its log, at its end: until then a team may see as much more as
the submissions that run at that moment may print.
"""

from uuid import UUID

from sqlalchemy import Connection, text

from services.leaderboard.tables import CHALLENGES, SUBMISSIONS, TEAM_LOGS, UNKNOWN_LOG_BYTES
from shared.ledger import Rows


def log_budget_left(connection: Connection, challenge_id: str, team_id: UUID) -> int:
    """Bytes that the team may still be shown."""
    statement = text(
        "SELECT greatest(c.team_log_bytes - coalesce(t.shown_bytes, 0), 0) FROM challenges c"
        " LEFT JOIN team_logs t ON t.challenge_id = c.challenge_id AND t.team_id = :team_id"
        " WHERE c.challenge_id = :challenge_id"
    )
    return int(connection.execute(statement, {"challenge_id": challenge_id, "team_id": team_id}).scalar_one())


def spend_log_budget(rows: Rows, submission_id: UUID, log_bytes: int | None) -> int:
    """Take a log of this length off its team's budget; returns how much of it the team is shown."""
    if log_bytes is None:
        return UNKNOWN_LOG_BYTES
    submission = rows.the(SUBMISSIONS, (submission_id,))
    challenge = rows.the(CHALLENGES, (submission["challenge_id"],))
    key = (submission["challenge_id"], submission["team_id"])
    spent = rows.get(TEAM_LOGS, key)
    shown_before = spent["shown_bytes"] if spent else 0
    shown = min(log_bytes, max(challenge["team_log_bytes"] - shown_before, 0))
    if spent is None:
        rows.insert(TEAM_LOGS, challenge_id=key[0], team_id=key[1], shown_bytes=shown)
    else:
        rows.update(TEAM_LOGS, key, shown_bytes=shown_before + shown)
    return int(shown)
