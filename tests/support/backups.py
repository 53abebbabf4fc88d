"""A platform whose objects are all there, and `palio backup` and `palio restore` as an operator runs them."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import Engine

from palio.cli import main
from shared.artefacts import Bucket, Store, content_key, log_key, predictions_key, traceback_key
from shared.bus.reports import FailedReport, FoldTrainedReport
from shared.runs import run_id_of
from tests.support.histories import POOL, History, Submission
from tests.support.servers import Servers


class StoredHistory(History):
    """A history in which everything that the ledger names is in the object store."""

    def __init__(self, engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> None:
        self._scorers_store, self._trainers_store = store_of("scorer"), store_of("trainer-default")
        #: What nobody else's test has: the store is shared.
        self.mark = secrets.token_hex(8)
        super().__init__(engine_of, store_of("ingest"))

    def stored(self, bucket: Bucket, content: bytes, key: Callable[[str], str] = content_key) -> str:
        """Store something; its digest."""
        store = self._trainers_store if bucket is Bucket.RUNS else self._scorers_store
        digest = hashlib.sha256(content).hexdigest()
        store.put_bytes(bucket, key(digest), content)
        return digest

    def _golden(self, service: str, name: str, **changes: object) -> None:
        if name == "ProblemPrepared":
            part = self.stored(Bucket.PREPARED, f"kit {self.mark}".encode())
            manifest = json.dumps({"kit": part, "folds": [part]}).encode()
            changes |= {
                "manifest_digest": self.stored(Bucket.PREPARED, manifest),
                "labels_digest": self.stored(Bucket.PRIVATE, f"labels {self.mark}".encode()),
                "environment_digest": self.stored(Bucket.PREPARED, b"environment"),
                "lock_digest": self.stored(Bucket.PREPARED, b"lock"),
            }
        super()._golden(service, name, **changes)

    def fold_report(self, submission: Submission, fold: int) -> FoldTrainedReport:
        run_id = run_id_of(submission.submission_id)
        predictions = self.stored(Bucket.RUNS, f"{run_id} {fold}".encode(), lambda it: predictions_key(POOL, run_id, fold, it))
        log = self.stored(Bucket.RUNS, b"a log", lambda it: log_key(POOL, run_id, fold, it))
        changes = {"predictions_digest": predictions, "log_digest": log}
        return super().fold_report(submission, fold).model_copy(update=changes)

    def failed_report(self, submission: Submission) -> FailedReport:
        run_id = run_id_of(submission.submission_id)
        traceback = self.stored(Bucket.RUNS, b"a traceback", lambda it: traceback_key(POOL, run_id, it))
        log = self.stored(Bucket.RUNS, b"a log", lambda it: log_key(POOL, run_id, 0, it))
        return super().failed_report(submission).model_copy(update={"traceback_digest": traceback, "log_digest": log})

    def scored(self) -> Submission:
        """A new submission of a new person, up to its score."""
        self.submit(self.person())
        submission = self.submissions[-1]
        self.release()
        self.trained(submission)
        self.score(submission)
        return submission


def played(history: StoredHistory) -> StoredHistory:
    """The same history, after something happened."""
    history.scored()
    history.submit(history.person())
    history.release()
    history.report(history.failed_report(history.submissions[-1]))
    history.submit(history.person())
    history.send_a_mail()
    history.catch_up()
    return history


@dataclass(frozen=True)
class Place:
    """A database, and an object store, as an operator reaches them."""

    environment: dict[str, str]

    def run(self, *words: str | Path, **changes: str | None) -> Result:
        """`palio …` there."""
        return CliRunner().invoke(main, [str(word) for word in words], env={**self.environment, **changes})

    def told(self, *words: str | Path) -> dict[str, Any]:
        """What it prints as JSON."""
        result = self.run(*words, "--json")
        assert result.exit_code in {0, 1}, result.output
        return dict(json.loads(result.stdout))


def operator(servers: Servers, database: str) -> Place:
    """Of one of the test's databases."""
    settings = servers.store_settings("operator")
    return Place(
        {
            "PALIO_OWNER_DATABASE_URL": servers.owner_url(database),
            "PALIO_S3_ENDPOINT": str(settings.s3_endpoint),
            "PALIO_S3_ACCESS_KEY": settings.s3_access_key,
            "PALIO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        }
    )


@dataclass(frozen=True)
class Made:
    """A platform with a sound backup, which no test changes, and an empty database, which none may change."""

    here: Place
    owner: Engine
    history: "StoredHistory"
    folder: Path
    elsewhere: Place
    owner_elsewhere: Engine
