"""The public record of a challenge: its events whole, all others as leaves, so that a stranger can check both chain and board.

Lines of JSON: first where the ledger ends, then one a position. What is whole says nothing that the boards of a closed challenge do not
build on: no address, no name of a person in the clear, no word of a participant's or organiser's code (`decision 8`). Everything else is 32
bytes that tell nothing, since every leaf is salted.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

from sqlalchemy import Connection, text

from shared.events import EVENT_TYPES, ChallengeCreated, NewerVersionError, ProblemVersionAdopted
from shared.ledger.chain import HASHED, Head, Link, follow, head_of
from shared.ledger.progress import Progress
from shared.ledger.read import known_events, read_stream
from shared.visibility import Viewer, phase_at, sees_private_scores

FORMAT = "palio ledger export 1"
_NUMBERS = frozenset({"position", "version", "schema_version"})
_UUID_LENGTH = 36
_LISTED = 20


class ExportError(Exception):
    """There is no such export now; the text says what to do."""


class _Story:
    """Whether an event belongs to a challenge. Asked in ledger order, so a submission is known before its runs."""

    def __init__(self, rules: ChallengeCreated, versions: frozenset[int], teams: frozenset[str]) -> None:
        self._rules = rules
        #: Of the problem: all that the challenge ever ran.
        self._versions = versions
        self._teams = teams
        #: Grows with the challenge, not with the ledger.
        self._submissions: set[str] = set()

    def of_challenge(self, data: dict[str, Any]) -> bool:
        return bool(data["challenge_id"] == self._rules.challenge_id)

    def of_problem(self, data: dict[str, Any]) -> bool:
        return bool(data["problem_id"] == self._rules.problem_id) and data["version"] in self._versions

    def of_team(self, data: dict[str, Any]) -> bool:
        return data["team_id"] in self._teams

    def of_submission(self, data: dict[str, Any]) -> bool:
        if self.of_challenge(data):
            self._submissions.add(data["submission_id"])
        return data["submission_id"] in self._submissions

    def of_run(self, data: dict[str, Any]) -> bool:
        return data["submission_id"] in self._submissions

    def of_trained_run(self, data: dict[str, Any]) -> bool:
        # The reason of a failure is in the words of the team's code, which only the team reads.
        return data["outcome"] == "trained" and self.of_run(data)


#: Every type of event, and which of them are whole. A type that says who somebody is, or what code said, is never.
WHOLE: dict[str, Callable[[_Story, dict[str, Any]], bool] | None] = {
    "ChallengeCreated": _Story.of_challenge,
    "ChallengeOpened": _Story.of_challenge,
    "CodeOpened": _Story.of_challenge,
    "ChallengeClosed": _Story.of_challenge,
    "ProblemPublished": _Story.of_problem,
    "ProblemPrepared": _Story.of_problem,
    "TeamCreated": _Story.of_team,
    "JoinApproved": _Story.of_challenge,
    "SubmissionUploaded": _Story.of_submission,
    "SubmissionWithdrawn": _Story.of_run,
    "TrainingRequested": _Story.of_run,
    "TrainingStarted": _Story.of_run,
    "FoldsShared": _Story.of_run,
    "FoldRequested": _Story.of_run,
    "RequestReturned": _Story.of_run,
    "FoldTrained": _Story.of_run,
    "TrainingFinished": _Story.of_trained_run,
    "ScoreComputed": _Story.of_run,
    "ScoringFailed": _Story.of_run,
    "ScoringRequested": _Story.of_run,
    "RunRescored": _Story.of_run,
    "ProblemVersionAdopted": _Story.of_challenge,
    # With an organiser's own words; and what became of them is no part of any board.
    "RunRequested": None,
    "RunReproduced": None,
    "RescoringRequested": None,
    "RescoringComputed": None,
    "RescoringConfirmed": None,
    "EnsembleComputed": _Story.of_challenge,
    "CreditsGiven": _Story.of_challenge,
    # As of other failures of a kit, its organiser alone is told.
    "EnsembleFailed": None,
    "RescoringFailed": None,
    "PreparationRequested": None,
    "ProblemPreparationFailed": None,
    # An operator's reasons are nobody else's.
    "PoolPaused": None,
    "PoolResumed": None,
    "PoolDrained": None,
    "UserRegistered": None,
    "AdministratorAppointed": None,
    "MailSent": None,
}


@dataclass(frozen=True)
class Exported:
    """Where the ledger ended, and how many events are whole."""

    head: Head
    whole: int


def export_public(connection: Connection, challenge_id: str, file: TextIO, progress: Progress) -> Exported:
    """Write the record of a challenge, up to where the ledger ends now. Needs a `snapshot`.

    Raises `ExportError` for a challenge that there is not, or that has not closed by the database's clock: test scores are in it;
    `BrokenChainError` where the ledger is not what was recorded, `NewerVersionError` where it is a later release's.
    """
    rules = _rules_of(connection, challenge_id)
    now = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    if not sees_private_scores(Viewer(), phase_at(now, rules.opens_at, rules.code_opens_at, rules.closes_at)):
        raise ExportError(
            f"{rules.title} closes at {rules.closes_at:%Y-%m-%d %H:%M} UTC. Its record holds the test scores: export it after that."
        )
    adopted = known_events(read_stream(connection, rules.stream))
    versions = {event.problem_version for _, event in adopted if isinstance(event, ChallengeCreated | ProblemVersionAdopted)}
    story = _Story(rules, frozenset(versions), _teams_of(connection, challenge_id))
    head = head_of(connection)
    first = {"format": FORMAT, "challenge": challenge_id, "position": head.position, "hash": head.hash.hex()}
    file.write(f"{json.dumps(first)}\n")
    whole = 0

    def write(link: Link) -> None:
        nonlocal whole
        if _is_whole(story, link):
            whole += 1
            texts = {name: link.text(name) for name in HASHED}
            columns = {name: int(value) if name in _NUMBERS else value for name, value in texts.items()}
            line = json.dumps({**columns, "salt": link.salt.hex()})
        else:
            line = f'{{"position": {link.text("position")}, "leaf": "{link.leaf.hex()}"}}'
        file.write(f"{line}\n")

    follow(connection, write, progress)
    return Exported(head, whole)


def _is_whole(story: _Story, link: Link) -> bool:
    name = link.text("type")
    belongs = WHOLE.get(name)
    if belongs is None:
        return False
    if int(link.text("schema_version")) > EVENT_TYPES[name].schema_version:
        raise NewerVersionError(
            f"{name} at position {link.text('position')} was recorded by a later release: use that one's palio"
        )
    return belongs(story, json.loads(link.text("data")))


def _rules_of(connection: Connection, challenge_id: str) -> ChallengeCreated:
    stream = read_stream(connection, f"challenge-{challenge_id}")
    rules = stream[0].event() if stream else None
    if isinstance(rules, ChallengeCreated):
        return rules
    streams = connection.execute(
        text("SELECT stream FROM ledger.events WHERE type = 'ChallengeCreated' ORDER BY stream LIMIT :limit"), {"limit": _LISTED}
    ).scalars()
    known = ", ".join(stream.removeprefix("challenge-") for stream in streams) or "none"
    raise ExportError(f"The ledger knows no challenge {challenge_id}. It knows: {known}")


def _teams_of(connection: Connection, challenge_id: str) -> frozenset[str]:
    # The challenge iris must not take in the joins of iris-2: what follows its name is a UUID and nothing else.
    prefix = f"join-{challenge_id}-"
    statement = text(
        "SELECT stream FROM ledger.events WHERE type = 'JoinApproved' AND starts_with(stream, :prefix) AND length(stream) = :length"
    )
    streams = connection.execute(statement, {"prefix": prefix, "length": len(prefix) + _UUID_LENGTH}).scalars()
    return frozenset(stream.removeprefix(prefix) for stream in streams)
