"""What the ledger says of a challenge's rules: read by every service that must know which version of its problem it runs."""

from sqlalchemy import Connection

from shared.events import ChallengeCreated, ProblemVersionAdopted
from shared.ledger import known_events, read_stream


def rules_of(connection: Connection, challenge_id: str, position: int | None = None) -> ChallengeCreated | None:
    """The rules as they are, or were at a ledger position; None if there is no such challenge.

    They are those that it was created with, but for the version of its problem.
    """
    rules: ChallengeCreated | None = None
    for recorded, event in known_events(read_stream(connection, f"challenge-{challenge_id}")):
        if position is not None and recorded.position > position:
            break
        if isinstance(event, ChallengeCreated):
            rules = event
        elif isinstance(event, ProblemVersionAdopted) and rules is not None:
            rules = rules.model_copy(update={"problem_version": event.problem_version})
    return rules
