"""A prepared problem: the manifest that names its files by digest, and those files on a host's disk.

The manifest and everything it names may be read by trainers: X, kit code without data, folds with masked labels, the
environment. Labels are in an archive of their own that it does not name.
"""

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.events import Metric
from shared.execution.arrays import Expected

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ElementName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,99}$")]

#: What a name of a description, a score or a reason may take; a stranger's sandbox wrote it.
Words = Annotated[str, Field(max_length=2000)]
_MAX_NAME_CHARS = 100
#: More digits than a double has.
_MAX_PRECISION = 20


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        message = "it must be one line of characters that show"
        raise ValueError(message)
    return text


def _presentable(metric: Metric) -> Metric:
    """A metric that tables, mails and terminals can show: whoever prints a score asks it for its name and its digits."""
    _one_line(metric.name)
    if len(metric.name) > _MAX_NAME_CHARS or not 0 <= metric.precision <= _MAX_PRECISION:
        message = f"its name may have {_MAX_NAME_CHARS} characters, and its precision is from 0 to {_MAX_PRECISION}"
        raise ValueError(message)
    if not all(bound is None or math.isfinite(bound) for bound in (metric.minimum, metric.maximum)):
        message = "its bounds are finite, or none"
        raise ValueError(message)
    return metric


Title = Annotated[str, Field(max_length=500), AfterValidator(_one_line)]
PresentableMetric = Annotated[Metric, AfterValidator(_presentable)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PredictionForm(_Frozen):
    """How one row of predictions looks: its shape, or ragged (lists of tuples), and the name of the kit's class."""

    is_ragged: bool
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=4)
    type: Annotated[str, Field(max_length=100)]


class Description(_Frozen):
    """What a kit says of its problem."""

    title: Title
    elements: tuple[ElementName, ...] = Field(min_length=1, max_length=50)
    metrics: tuple[PresentableMetric, ...] = Field(min_length=1, max_length=50)
    score_kind: Literal["bag", "mean"]
    n_folds: int = Field(ge=1, le=1000)
    n_train: int = Field(ge=1)
    n_test: int | None = Field(ge=0)
    predictions: PredictionForm
    #: Modules that the starter imports: loaded before a submission is, since most submissions import the same.
    preload: tuple[ModuleName, ...] = Field((), max_length=100)

    @property
    def expected(self) -> Expected:
        """What predictions of any fold must look like."""
        return Expected(self.n_train, self.n_test, self.predictions.shape, self.predictions.is_ragged)


class Manifest(Description):
    """Everything that a trainer needs for a problem, by the digest of each file in bucket `prepared`."""

    format: Literal[1] = 1
    #: A tar of the kit without data, notebooks and submissions.
    kit: Digest
    x_train: Digest
    x_test: Digest | None
    #: For each fold, its rows and the labels it may see.
    folds: tuple[Digest, ...]
    #: Folders without labels that X refers to, such as images, as paths in the kit; and a tar of them, None if there are none.
    shown: tuple[str, ...] = ()
    shown_folders: Digest | None = None
    #: The packed environment.
    environment: Digest
    python_version: str


class PreparedFiles(_Frozen):
    """A prepared problem on this host: paths of the files that a manifest names. Folders are unpacked archives."""

    kit: Path
    x_train: Path
    x_test: Path | None
    #: Holds the folders of `Manifest.shown`.
    shown_folders: Path | None = None


class LabelFiles(_Frozen):
    """The labels of a problem on a scorer's host: the unpacked labels archive."""

    folder: Path
    kit: Path

    @property
    def has_test_set(self) -> bool:
        """Whether there are labels of a test set."""
        return (self.folder / "y_test").exists()
