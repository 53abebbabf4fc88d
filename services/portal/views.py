"""What the portal reads from the APIs. A field the pages do not show is not named here, so the APIs may grow."""

from datetime import date
from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

FINAL_STATES = frozenset({"scored", "failed", "withdrawn"})
#: Before the training is over.
WITHDRAWABLE_STATES = frozenset({"uploaded", "queued", "training"})


class View(BaseModel):
    """A document as an API answers it; further fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Team(View):
    """A team, as its member sees it."""

    id: UUID
    name: str


class Me(View):
    """Who the token belongs to."""

    id: UUID
    name: str
    administrator: bool
    team: Team


class Token(View):
    """A new API token."""

    token: str
    expires_at: AwareDatetime


class Registered(View):
    """A new account."""

    id: UUID


class Joined(View):
    """A team takes part."""

    challenge: str
    state: str


class Metric(View):
    """A column of a board."""

    name: str
    precision: int
    is_lower_the_better: bool
    minimum: float | None = None
    maximum: float | None = None


class Closing(View):
    """Where the ledger says that a challenge has closed."""

    position: int
    hash: str
    recorded_at: AwareDatetime


class ChallengeLine(View):
    """A challenge in the list. Times are UTC."""

    id: str
    title: str
    problem: str
    phase: Literal["announced", "competitive", "collaborative", "closed"]
    opens_at: AwareDatetime
    code_opens_at: AwareDatetime
    closes_at: AwareDatetime
    teams: int
    submissions: int
    closed: Closing | None = None


class Challenges(View):
    """All challenges."""

    items: list[ChallengeLine]


class Limits(View):
    """What one fold may use."""

    time_limit_s: float
    memory_limit_bytes: int


class Challenge(ChallengeLine):
    """A challenge with its rules."""

    metrics: list[Metric]
    n_folds: int
    elements: list[str]
    #: How the folds' scores become one.
    score_kind: Literal["bag", "mean"]
    has_test_set: bool
    joined: bool | None = None
    limits: Limits


class OverFolds(View):
    """One metric: of the bagged predictions, and mean and deviation of the folds' scores."""

    bag: float | None
    mean: float | None
    std: float | None


class Row(View):
    """A submission on a board. Times in seconds, summed over folds. What has a default is on private boards alone."""

    rank: int | None
    team: str
    submission: str
    submission_id: UUID
    #: Of the submission's; more than 1 if it was trained again.
    run: int = 1
    scores: dict[str, float | None]
    #: Of the scores, over folds.
    standard_errors: dict[str, float | None]
    #: It and the next one on the whole board do not differ beyond what folds differ by.
    within_noise: bool | None
    #: Percent of the challenge's ensemble; None before there is one.
    contributivity: int | None = None
    #: The same once every submission has passed on what it credits to earlier ones.
    historical_contributivity: int | None = None
    train_time_s: float | None
    valid_time_s: float | None
    peak_memory_bytes: int | None
    submitted_at: AwareDatetime
    valid: dict[str, OverFolds] = {}
    test: dict[str, OverFolds] = {}
    test_standard_errors: dict[str, float | None] = {}
    test_time_s: float | None = None
    public_rank: int | None = None
    move: int | None = None


class Board(View):
    """Part of a board of scored submissions. `n_rows` counts all rows of it that the filter lets through."""

    challenge: str
    board: Literal["public", "competition", "private", "private-competition"]
    metrics: list[Metric]
    #: What the challenge's ensemble scores.
    combined: dict[str, float | None] = {}
    n_rows: int
    rows: list[Row]

    @property
    def is_private(self) -> bool:
        """Whether it shows scores on the test data."""
        return self.board.startswith("private")


class SplitScores(View):
    """One metric of one fold; None where there is none, or where the visitor may not see it."""

    train: float | None = None
    valid: float | None = None
    test: float | None = None


class FoldScores(View):
    """All metrics of one fold."""

    fold: int
    scores: dict[str, SplitScores]


class Scores(View):
    """A submission's scores."""

    bagged: dict[str, SplitScores]
    folds: list[FoldScores]


class SubmissionLine(View):
    """A submission in its team's list."""

    id: UUID
    name: str
    challenge: str
    state: Literal["uploaded", "queued", "training", "trained", "scored", "failed", "withdrawn"]
    outcome: str | None
    submitted_at: AwareDatetime


class Submissions(View):
    """The visitor's submissions to a challenge."""

    items: list[SubmissionLine]


class QueuePosition(View):
    """Where a submission that waits stands; 1 is next. Seconds, None while nobody can tell."""

    position: int
    estimated_wait_s: float | None
    #: Nothing of its pool begins, for this reason, until an administrator says so.
    paused: bool = False
    reason: str | None = None


class UnscoredRow(View):
    """A submission without a score. `outcome` is from the closed list, once it is known."""

    team: str
    submission: str
    submission_id: UUID
    state: Literal["uploaded", "queued", "training", "trained", "failed"]
    outcome: str | None
    folds_done: int
    n_folds: int | None
    queue: QueuePosition | None
    submitted_at: AwareDatetime
    finished_at: AwareDatetime | None


class UnscoredBoard(View):
    """What waits or runs, the oldest first, or what failed, the newest first."""

    rows: list[UnscoredRow]


class SubmissionPoint(View):
    """A submission on a plot."""

    team: str
    submission: str
    submission_id: UUID
    score: float


class ScorePoint(SubmissionPoint):
    """Handed in then; `on_front`: it was the best so far."""

    submitted_at: AwareDatetime
    on_front: bool


class TrainingTimePoint(SubmissionPoint):
    """Seconds; `on_front`: nothing that trains as fast or faster is as good."""

    train_time_s: float
    on_front: bool


class ProgressPoint(SubmissionPoint):
    """It was its team's best so far."""

    submitted_at: AwareDatetime


class EnsemblePoint(View):
    """The score of the challenge's ensemble with at most so many members on each fold."""

    n_members: int
    score: float


class BaggingPoint(SubmissionPoint):
    """The score of so many folds, bagged."""

    n_folds: int


class Day(View):
    """A day of UTC, and how many submissions were handed in on it."""

    day: date
    submissions: int


Point = TypeVar("Point", bound=View)


class PlotData(View, Generic[Point]):
    """The points of a plot, and the metric that their scores are of."""

    metric: Metric | None
    points: list[Point]


class Submission(SubmissionLine):
    """A submission as this visitor may see it. Times in seconds, summed over folds."""

    team: str
    folds_done: int
    #: None until the first training is requested.
    n_folds: int | None
    queue: QueuePosition | None
    reason: str | None
    traceback: str | None
    scores: Scores | None
    metrics: list[Metric]
    train_time_s: float | None
    valid_time_s: float | None
    test_time_s: float | None
    peak_memory_bytes: int | None
    finished_at: AwareDatetime | None
    files: list[str]
    #: Which of its runs this is; more than 1 if it was trained again.
    run: int = 1
    owned: bool

    @property
    def can_be_withdrawn(self) -> bool:
        """Whether the visitor may take it back."""
        return self.owned and self.state in WITHDRAWABLE_STATES

    @property
    def is_final(self) -> bool:
        """Whether the state will not change any more."""
        return self.state in FINAL_STATES

    @property
    def shows_test_scores(self) -> bool:
        """Whether any test score may be seen."""
        if self.scores is None:
            return False
        everything = [*self.scores.bagged.values(), *(split for fold in self.scores.folds for split in fold.scores.values())]
        return any(split.test is not None for split in everything)
