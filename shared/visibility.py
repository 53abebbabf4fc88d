"""Who may see what in which phase. Pure: every endpoint asks here, so that the rules stand in one place."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.events import LogPolicy


class Phase(StrEnum):
    """Where a challenge stands in its life."""

    ANNOUNCED = "announced"
    COMPETITIVE = "competitive"
    COLLABORATIVE = "collaborative"
    CLOSED = "closed"


def phase_at(moment: datetime, opens_at: datetime, code_opens_at: datetime, closes_at: datetime) -> Phase:
    """The phase at a moment; each bound belongs to the phase that begins there."""
    if moment < opens_at:
        return Phase.ANNOUNCED
    if moment >= closes_at:
        return Phase.CLOSED
    return Phase.COMPETITIVE if moment < code_opens_at else Phase.COLLABORATIVE


@dataclass(frozen=True)
class Viewer:
    """Who looks. Nobody: no user, no team."""

    user_id: UUID | None = None
    team_ids: frozenset[UUID] = frozenset()
    administrator: bool = False


def sees_private_scores(viewer: Viewer, phase: Phase) -> bool:
    """Scores on the test set, on boards and on submissions: administrators always, everybody once the challenge is closed."""
    return viewer.administrator or phase is Phase.CLOSED


def sees_log(viewer: Viewer, team_id: UUID, policy: LogPolicy) -> bool:
    """What a submission printed: its team, if the challenge shows logs, and administrators always."""
    return viewer.administrator or (team_id in viewer.team_ids and policy is LogPolicy.FULL)


def sees_traceback(viewer: Viewer, team_id: UUID, policy: LogPolicy) -> bool:
    """Reason and traceback of a failure: its team, unless the challenge shows nothing of what code says, and administrators."""
    return viewer.administrator or (team_id in viewer.team_ids and mails_traceback(policy))


def mails_traceback(policy: LogPolicy) -> bool:
    """Whether a mail to the team holds reason and traceback of a failure."""
    return policy is not LogPolicy.NONE


def sees_starting_kit(viewer: Viewer, phase: Phase) -> bool:
    """The starting kit and its environment: everybody once the challenge has opened, administrators before."""
    return viewer.administrator or phase is not Phase.ANNOUNCED


def sees_problem(viewer: Viewer, organiser_id: UUID) -> bool:
    """How the preparation of a problem went, with the kit's traceback: its organiser, and administrators."""
    return viewer.administrator or viewer.user_id == organiser_id


def sees_grades(viewer: Viewer, organiser_id: UUID | None) -> bool:
    """Each person's grade in a challenge, and all code that was handed in: its organiser, and administrators."""
    return viewer.administrator or (viewer.user_id is not None and viewer.user_id == organiser_id)


def sees_rescoring(viewer: Viewer, organiser_id: UUID | None) -> bool:
    """Whose rank another version of a challenge's problem would move: its organiser, and administrators."""
    return sees_grades(viewer, organiser_id)


def sees_kit_faults(viewer: Viewer, problems_organiser: UUID, challenges_organiser: UUID | None) -> bool:
    """What a challenge's own code says while it scores, which may hold labels: whose code it is, who runs it, and administrators."""
    return viewer.administrator or (viewer.user_id is not None and viewer.user_id in {problems_organiser, challenges_organiser})
