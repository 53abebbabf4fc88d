"""Credits: what submissions were taken from, as their teams say, and how contributivity moves along them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from shared.events import CreditsGiven
from shared.events.credits import WHOLE_PERCENT

#: Of each submission what its team said last; the submission that was handed in last is the first.
_SELECT = text(
    "SELECT c.from_position, c.credits FROM (SELECT DISTINCT ON (submission_id) * FROM credits"
    " WHERE challenge_id = :challenge_id AND from_position <= :position ORDER BY submission_id, from_position DESC) c"
    " ORDER BY (SELECT min(t.from_position) FROM submission_states t WHERE t.submission_id = c.submission_id) DESC"
)
LATEST = 2**63 - 1


@dataclass(frozen=True)
class Given:
    """What a submission gives to each of its sources, in percent, at most 100 in all; and from which ledger position on."""

    submission_id: UUID
    percents: Mapping[UUID, int]
    from_position: int


def historical(shares: Mapping[UUID, float], given: Iterable[Given]) -> dict[UUID, float]:
    """What contributivity becomes when submissions pass it on to what they were taken from. Pure.

    `shares`: the contributivity of each submission. `given`: the newest submission first, so that each has all that is passed on to it
    before it passes on its part; sources are older. The sum stays what it is; nothing is negative.
    Source: the historical contributivity of RAMP.
    """
    found = dict(shares)
    for each in given:
        whole = found.get(each.submission_id, 0.0)
        if not (whole and each.percents):
            continue
        for source, percent in each.percents.items():
            found[source] = found.get(source, 0.0) + whole * percent / WHOLE_PERCENT
        # Not by taking away part after part, which leaves less than nothing of a whole that is given away.
        found[each.submission_id] = whole * (WHOLE_PERCENT - sum(each.percents.values())) / WHOLE_PERCENT
    return found


def find_credits(connection: Connection, challenge_id: str, position: int = LATEST) -> tuple[Given, ...]:
    """What each submission of a challenge gives, now or as of a ledger position: the newest submission first."""
    rows = connection.execute(_SELECT, {"challenge_id": challenge_id, "position": position})
    return tuple(_given(CreditsGiven.model_validate_json(row.credits), row.from_position) for row in rows)


def _given(event: CreditsGiven, from_position: int) -> Given:
    return Given(event.submission_id, {each.submission_id: each.percent for each in event.credits}, from_position)
