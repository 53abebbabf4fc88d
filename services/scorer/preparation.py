"""Preparing a problem: its environment locked, built and packed; its data read, folds made, labels masked; all of it stored.

Objects are stored before the event that names them is appended. A death in between leaves objects that nothing names.
"""

import hashlib
from pathlib import Path

from services.scorer.environments import EnvironmentShop, with_notes
from services.scorer.scoring import store_detail
from shared.artefacts import Bucket, MissingArtefactError, Store, content_key
from shared.artefacts.archives import ArchiveError, ArchiveLimits
from shared.events import Outcome, ProblemPreparationFailed, ProblemPrepared, ProblemPublished
from shared.execution.cache import TooLargeError
from shared.execution.environments.build import EnvironmentBuildError
from shared.execution.environments.interpreters import MissingInterpreterError
from shared.execution.environments.requirements import RequirementsError
from shared.execution.held_folder import held_folder
from shared.execution.preparation import KitError, PreparedProblem, Upload, prepare_problem
from shared.execution.sandbox.port import Limits, Sandbox
from shared.telemetry import get_logger

log = get_logger(__name__)

#: Archives were bounded when they came in; this is what a broken-into store could make a scorer unpack.
KIT_LIMITS = ArchiveLimits(max_bytes=8 * 2**30)


class ProblemPreparer:
    """Prepares problems. Blocking; one at a time."""

    def __init__(self, store: Store, shop: EnvironmentShop, sandbox: Sandbox, limits: Limits, work_folder: Path) -> None:
        self._store = store
        self._shop = shop
        self._sandbox = sandbox
        self._limits = limits
        self._work_folder = work_folder

    def prepare(self, published: ProblemPublished) -> ProblemPrepared | ProblemPreparationFailed:
        """What came of a version of a problem.

        Raises what a server that is away raises, and `SandboxError` if this machine fails: that says nothing of the problem.
        """
        try:
            return self._prepare(published)
        except (KitError, RequirementsError) as error:
            detail = error.detail if isinstance(error, KitError) else None
            return self._failed(published, Outcome.KIT_ERROR, str(error), detail)
        except EnvironmentBuildError as error:
            return self._failed(published, Outcome.ENVIRONMENT_ERROR, error.reason, error.detail)
        except MissingInterpreterError as error:
            return self._failed(published, Outcome.ENVIRONMENT_ERROR, str(error))
        except TooLargeError as error:
            return self._failed(published, Outcome.ENVIRONMENT_ERROR, f"the environment is too large: {error}")
        except (MissingArtefactError, ArchiveError) as error:
            log.exception("machine_failed")
            return self._failed(published, Outcome.SYSTEM_ERROR, str(error))

    def _prepare(self, published: ProblemPublished) -> ProblemPrepared:
        with held_folder(self._work_folder, "prepare-") as folder:
            upload = self._fetch(published, folder)
            built = self._shop.environment_of(upload.kit, published)
            out = folder / "out"
            out.mkdir()
            try:
                with self._shop.unpacked(built.digest, built.python_version) as environment:
                    prepared = prepare_problem(self._sandbox, environment, built.digest, upload, out, self._limits)
            except KitError as error:
                # An import that fails, of what the kit asked for under a name that leads to nothing here.
                raise KitError(error.reason, with_notes(error.detail, built.notes)) from error
            return self._stored(published, prepared, built.lock)

    def _fetch(self, published: ProblemPublished, folder: Path) -> Upload:
        kit, private = folder / "kit.tar", None
        self._store.get_file(Bucket.KITS, content_key(published.kit_digest), kit)
        if published.private_digest is not None:
            private = folder / "private.tar"
            self._store.get_file(Bucket.PRIVATE, content_key(published.private_digest), private)
        return Upload(kit, private, KIT_LIMITS, published.label_free_folders)

    def _stored(self, published: ProblemPublished, prepared: PreparedProblem, lock: str) -> ProblemPrepared:
        for digest, path in prepared.for_trainers.items():
            self._store.put_file(Bucket.PREPARED, content_key(digest), path)
        self._store.put_file(Bucket.PRIVATE, content_key(prepared.labels_digest), prepared.labels)
        description = prepared.description
        return ProblemPrepared(
            problem_id=published.problem_id,
            version=published.version,
            title=description.title,
            manifest_digest=self._put(prepared.manifest.model_dump_json().encode()),
            labels_digest=prepared.labels_digest,
            environment_digest=prepared.manifest.environment,
            lock_digest=self._put(lock.encode()),
            python_version=prepared.manifest.python_version,
            n_folds=description.n_folds,
            elements=description.elements,
            metrics=description.metrics,
            score_kind=description.score_kind,
            has_test_set=description.n_test is not None,
        )

    def _put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self._store.put_bytes(Bucket.PREPARED, content_key(digest), content)
        return digest

    def _failed(
        self, published: ProblemPublished, outcome: Outcome, reason: str, detail: str | None = None
    ) -> ProblemPreparationFailed:
        log.warning("preparation_failed", problem=published.problem_id, version=published.version, outcome=outcome, reason=reason)
        return ProblemPreparationFailed.model_validate(
            {
                "problem_id": published.problem_id,
                "version": published.version,
                "outcome": outcome.value,
                "reason": reason,
                "detail_digest": store_detail(self._store, detail),
            }
        )
