"""Letting a challenge run another version of its problem: one event, at whose position everybody changes over."""

from sqlalchemy import Connection, Engine

from services.scorer.moves import moves_between, places, read_entries
from shared.challenge_rules import rules_of
from shared.events import ProblemPrepared, ProblemVersionAdopted, RankMove, RecordedEvent
from shared.faults import fault_point
from shared.ledger import ConflictError, DuplicateEventError, NewEvent, Projection, append, derived_id, read_stream
from shared.prepared_problems import find_prepared
from shared.telemetry import get_logger

log = get_logger(__name__)


def adopt(engine: Engine, projection: Projection, challenge_id: str, prepared: ProblemPrepared, cause: RecordedEvent) -> bool:
    """Record that a challenge runs this version, and whose place that moves. Blocking. False, if it does already, or runs a later one."""
    while True:
        projection.catch_up()
        with engine.connect() as connection:
            adopted, stream_version = _adopted(connection, challenge_id, prepared)
        if adopted is None:
            return False
        event_id = derived_id(challenge_id, prepared.version, "adopted")
        new = NewEvent(adopted, cause.metadata.caused_by(cause), stream_version, id=event_id)
        try:
            with engine.begin() as connection:
                append(connection, [new])
        except ConflictError:
            # A time of the challenge has come, or another version was adopted, perhaps a later one: versions only rise. Look again.
            continue
        except DuplicateEventError:
            return False
        fault_point("scorer", "adopted")
        log.info(
            "recorded", type=type(adopted).__name__, challenge=challenge_id, version=prepared.version, moves=len(adopted.moves)
        )
        return True


def _adopted(connection: Connection, challenge_id: str, prepared: ProblemPrepared) -> tuple[ProblemVersionAdopted | None, int]:
    """The fact, None if there is none to record; and the version that the challenge's stream had before anything was looked at."""
    stream_version = len(read_stream(connection, f"challenge-{challenge_id}"))
    rules = rules_of(connection, challenge_id)
    if rules is None or rules.problem_version >= prepared.version:
        return None, stream_version
    present = find_prepared(connection, rules.problem_id, rules.problem_version)
    if present is None:
        raise LookupError(f"problem {rules.problem_id} {rules.problem_version} has a challenge and no preparation")
    adopted = ProblemVersionAdopted(
        challenge_id=challenge_id,
        problem_id=rules.problem_id,
        problem_version=prepared.version,
        moves=_moves(connection, challenge_id, present, prepared),
    )
    return adopted, stream_version


def _moves(connection: Connection, challenge_id: str, present: ProblemPrepared, wanted: ProblemPrepared) -> tuple[RankMove, ...]:
    before, after = (places(read_entries(connection, challenge_id, version), version.metrics[0]) for version in (present, wanted))
    return moves_between(before, after)
