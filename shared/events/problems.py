"""Problems: published by an organiser, prepared by the scorer."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Event, Payload, Service, services


class Metric(Payload):
    """What a board must know of a score type; the first of a problem is the official one."""

    name: str
    precision: int
    is_lower_the_better: bool
    #: None where the kit says infinity, which JSON cannot.
    minimum: float | None
    maximum: float | None


class ProblemPublished(Event):
    """An organiser uploaded a version of a problem."""

    appended_by = services(Service.INGEST)
    consumed_by = services(Service.SCORER, Service.LEADERBOARD)

    problem_id: str
    version: int = Field(ge=1)
    organiser_id: UUID
    #: Bucket `kits`, `sha256/<digest>`: what participants may have.
    kit_digest: str
    #: Bucket `private`, `sha256/<digest>`: None for a kit whose data are all in the kit archive.
    private_digest: str | None
    #: An organiser's own requirements file, as text; None: the kit's.
    requirements: str | None
    #: The organiser's choice, such as "3.11"; None: what the kit pins, or the platform's own.
    python_version: str | None
    #: Resolve the environment as the index was on this day (`YYYY-MM-DD`).
    as_of: str | None
    #: Folders of the private data that hold no labels and may be shown to submissions.
    label_free_folders: tuple[str, ...] = ()

    @property
    def stream(self) -> str:
        return f"problem-{self.problem_id}"


class PreparationRequested(Event):
    """Nothing came of a published version for so long that the scorer is asked again."""

    appended_by = services(Service.ORCHESTRATOR)
    consumed_by = services(Service.SCORER)

    problem_id: str
    version: int = Field(ge=1)
    #: 1 for the first time that it is asked for again.
    attempt: int = Field(ge=1)

    @property
    def stream(self) -> str:
        return f"problem-{self.problem_id}"


class ProblemPrepared(Event):
    """Data, folds, masked labels and the environment of a version stand ready."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD)

    problem_id: str
    version: int = Field(ge=1)
    title: str
    #: Bucket `prepared`, `sha256/<digest>`: the manifest that names everything a trainer needs (`shared.execution.prepared`).
    manifest_digest: str
    #: Bucket `private`, `sha256/<digest>`: y_train, y_test and the folds, which only the scorer reads.
    labels_digest: str
    #: Bucket `prepared`, `sha256/<digest>`: the packed environment, and the lock it was made from.
    environment_digest: str
    lock_digest: str
    python_version: str
    n_folds: int = Field(ge=1)
    #: File names of a submission, such as `classifier.py`.
    elements: tuple[str, ...]
    metrics: tuple[Metric, ...]
    score_kind: Literal["bag", "mean"] = "bag"
    has_test_set: bool

    @property
    def stream(self) -> str:
        return f"problem-{self.problem_id}"


class ProblemPreparationFailed(Event):
    """A version cannot be used; the organiser sees why."""

    appended_by = services(Service.SCORER)
    consumed_by = services(Service.LEADERBOARD)

    problem_id: str
    version: int = Field(ge=1)
    outcome: Literal["kit_error", "environment_error", "system_error"]
    #: One sentence that tells the organiser what to do.
    reason: str
    #: Bucket `private`, `details/<digest>`: the traceback or the resolver's words; None if there is nothing more to say.
    detail_digest: str | None

    @property
    def stream(self) -> str:
        return f"problem-{self.problem_id}"
