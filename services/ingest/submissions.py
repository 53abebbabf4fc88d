"""Submissions: who, when, what; then stored, then recorded. 201 only when both are durable.

Order under faults: the bundle is uploaded before the transaction, under its content's name. A death before the commit leaves
an object that nothing names; after it, the answer is lost but the submission is in, and the same POST with the same
`Idempotency-Key` gets the same answer.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from services.ingest.challenges import find_rules
from services.ingest.names import clean_name, name_key
from services.ingest.source_check import check_sources
from shared.artefacts import Bucket, Store, content_key
from shared.artefacts.archives import pack_files
from shared.events import ChallengeCreated, Metadata, ProblemPrepared, SubmissionUploaded
from shared.faults import fault_point
from shared.http import Problem
from shared.ledger import NewEvent, append
from shared.prepared_problems import find_prepared
from shared.runs import has_failed


@dataclass(frozen=True)
class NewSubmission:
    """What a participant sends: a name, and files by name."""

    challenge_id: str
    name: str
    files: Mapping[str, bytes]
    idempotency_key: str | None

    def digest(self) -> bytes:
        """Tells whether two requests ask for the same thing."""
        bundle = hashlib.sha256(pack_files(self.files)).hexdigest()
        return hashlib.sha256(json.dumps([self.challenge_id, self.name, bundle]).encode()).digest()


@dataclass(frozen=True)
class AcceptedSubmission:
    """A submission that is durable, and the ledger position at which it is."""

    submission_id: UUID
    name: str
    position: int


class SubmissionDesk:
    """Takes submissions in. Blocking, safe among threads."""

    def __init__(self, engine: Engine, store: Store, max_source_bytes: int) -> None:
        self._engine = engine
        self._store = store
        self._max_source_bytes = max_source_bytes

    def submit(self, new: NewSubmission, user_id: UUID, team_id: UUID) -> AcceptedSubmission:
        """Check, store, record. Raises `Problem` for every reason not to; then nothing is recorded."""
        name = clean_name(new.name, "submission's name")
        with self._engine.connect() as connection:
            rules = find_rules(connection, new.challenge_id)
            _require_joined(connection, rules, team_id)
            prepared = find_prepared(connection, rules.problem_id, rules.problem_version)
        if prepared is None:
            raise Problem(
                HTTPStatus.CONFLICT, "problem-not-prepared", f"The problem of {rules.title} is not ready. Try again later."
            )
        self._check_files(new.files, prepared)
        bundle = pack_files(new.files)
        bundle_digest = hashlib.sha256(bundle).hexdigest()
        self._store.put_bytes(Bucket.SUBMISSIONS, content_key(bundle_digest), bundle)
        fault_point("ingest", "stored")
        event = SubmissionUploaded(
            submission_id=uuid4(),
            challenge_id=rules.challenge_id,
            team_id=team_id,
            user_id=user_id,
            name=name,
            bundle_digest=bundle_digest,
            files=tuple(sorted(new.files)),
            problem_id=rules.problem_id,
            problem_version=rules.problem_version,
            pool=rules.pool,
            limits=rules.limits,
        )
        try:
            return self._record(new, event, rules)
        except IntegrityError as error:
            # The key is unique for a person: the same one, at the same moment, for another challenge.
            detail = "This Idempotency-Key is being used for another request. Use a new key for a new submission."
            raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail) from error

    def _check_files(self, files: Mapping[str, bytes], prepared: ProblemPrepared) -> None:
        expected = set(prepared.elements)
        problems = [f"{name} is missing" for name in sorted(expected - set(files))]
        problems += [f"{name} is not part of this challenge's submissions" for name in sorted(set(files) - expected)]
        if problems:
            detail = f"{'; '.join(problems)}. A submission is: {', '.join(sorted(expected))}"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-files", detail)
        for name, content in files.items():
            if len(content) > self._max_source_bytes:
                detail = f"{name} has {len(content):,} bytes; at most {self._max_source_bytes:,} fit."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)
        sources = {name: content for name, content in files.items() if name.endswith(".py")}
        errors = check_sources(sources, prepared.python_version)
        if errors:
            listed = [{"file": error.file, "line": error.line, "message": error.message} for error in errors]
            places = "; ".join(f"{e.file}{f', line {e.line}' if e.line else ''}: {e.message}" for e in errors)
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "does-not-parse", places, errors=listed)

    def _record(self, new: NewSubmission, event: SubmissionUploaded, rules: ChallengeCreated) -> AcceptedSubmission:
        with self._engine.begin() as connection:
            # One submission of a team at a time: its row is the lock under which names and repeats are looked up.
            connection.execute(
                text("SELECT FROM joins WHERE challenge_id = :challenge_id AND team_id = :team_id FOR UPDATE"),
                {"challenge_id": event.challenge_id, "team_id": event.team_id},
            )
            if new.idempotency_key is not None:
                answered = _answered_before(connection, new, event.user_id)
                if answered is not None:
                    return answered
            _require_free_name(connection, event)
            metadata = Metadata(correlation_id=str(event.submission_id), actor_id=event.user_id)
            key = {"user_id": event.user_id, "key": new.idempotency_key, "digest": new.digest()}
            self._insert(connection, event)
            appended = append(connection, [NewEvent(event, metadata, 0)])
            # The deadline is compared with the time that the ledger will show, read after its lock: a POST can't slip in late.
            _require_open(rules, appended.recorded_at)
            if new.idempotency_key is not None:
                connection.execute(
                    text("INSERT INTO idempotency_keys VALUES (:user_id, :key, :digest, :response, :position)"),
                    {**key, "response": json.dumps([str(event.submission_id), event.name]), "position": appended.position},
                )
        fault_point("ingest", "recorded")
        return AcceptedSubmission(event.submission_id, event.name, appended.position)

    def _insert(self, connection: Connection, event: SubmissionUploaded) -> None:
        connection.execute(
            text(
                "INSERT INTO submissions (submission_id, challenge_id, team_id, name, name_key, recorded_at)"
                " VALUES (:submission_id, :challenge_id, :team_id, :name, :name_key, now())"
            ),
            {
                "submission_id": event.submission_id,
                "challenge_id": event.challenge_id,
                "team_id": event.team_id,
                "name": event.name,
                "name_key": name_key(event.name),
            },
        )


def _require_joined(connection: Connection, rules: ChallengeCreated, team_id: UUID) -> None:
    joined = connection.execute(
        text("SELECT EXISTS (SELECT FROM joins WHERE challenge_id = :challenge_id AND team_id = :team_id)"),
        {"challenge_id": rules.challenge_id, "team_id": team_id},
    ).scalar_one()
    if not joined:
        detail = f"Your team has not joined {rules.title}. Join first: palio join {rules.challenge_id}"
        raise Problem(HTTPStatus.FORBIDDEN, "not-joined", detail)


def _require_open(rules: ChallengeCreated, moment: datetime) -> None:
    if rules.takes_submissions_at(moment):
        return
    if moment < rules.opens_at:
        detail = f"{rules.title} opens at {rules.opens_at:%Y-%m-%d %H:%M:%S} UTC. Submit then."
        raise Problem(HTTPStatus.CONFLICT, "challenge-not-open", detail)
    detail = f"{rules.title} closed at {rules.closes_at:%Y-%m-%d %H:%M:%S} UTC."
    raise Problem(HTTPStatus.CONFLICT, "challenge-closed", detail)


def _require_free_name(connection: Connection, event: SubmissionUploaded) -> None:
    """A name may be used again once what had it has failed."""
    rows = connection.execute(
        text(
            "SELECT submission_id FROM submissions"
            " WHERE challenge_id = :challenge_id AND team_id = :team_id AND name_key = :name_key"
        ),
        {"challenge_id": event.challenge_id, "team_id": event.team_id, "name_key": name_key(event.name)},
    ).scalars()
    if not all(has_failed(connection, submission_id) for submission_id in rows):
        detail = f"Your team has a submission named {event.name} here. Choose another name."
        raise Problem(HTTPStatus.CONFLICT, "name-taken", detail)


def _answered_before(connection: Connection, new: NewSubmission, user_id: UUID) -> AcceptedSubmission | None:
    row = connection.execute(
        text("SELECT request_digest, response, position FROM idempotency_keys WHERE user_id = :user_id AND key = :key"),
        {"user_id": user_id, "key": new.idempotency_key},
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.request_digest) != new.digest():
        detail = "This Idempotency-Key was used for another request. Use a new key for a new submission."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail)
    submission_id, name = json.loads(row.response)
    return AcceptedSubmission(UUID(submission_id), name, row.position)
