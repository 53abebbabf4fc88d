"""The shapes of the API's answers, as far as clients use them. Servers may add members; clients pass them over."""

from __future__ import annotations

from typing import Optional, TypedDict

#: Part (`train`, `valid`, `test`) to score; None where it is not to be seen, or no number.
PartScores = dict[str, Optional[float]]


class Team(TypedDict):
    """A team."""

    id: str
    name: str


class User(TypedDict, total=False):
    """An account; `team` and `email` only of one's own."""

    id: str
    name: str
    email: str
    administrator: bool
    team: Team


class Token(TypedDict):
    """Proof of a login."""

    token: str
    #: ISO 8601, UTC.
    expires_at: str


class Metric(TypedDict):
    """What a table must know of a metric."""

    name: str
    precision: int
    is_lower_the_better: bool


class Join(TypedDict):
    """A team's entry into a challenge."""

    challenge: str
    team_id: str
    state: str


class Closing(TypedDict):
    """Where the ledger says that a challenge has closed; the hash seals that entry and every one before it."""

    position: int
    hash: str
    recorded_at: str


class Challenge(TypedDict, total=False):
    """A challenge; the members from `metrics` on come only where one challenge is asked for."""

    id: str
    title: str
    problem: str
    phase: str
    opens_at: str
    code_opens_at: str
    closes_at: str
    teams: int
    submissions: int
    closed: Closing | None
    metrics: list[Metric]
    n_folds: int
    #: File names of a submission.
    elements: list[str]
    score_kind: str
    has_test_set: bool
    joined: bool | None


class Problem(TypedDict, total=False):
    """A version of a problem, for its organiser."""

    id: str
    version: int
    state: str
    outcome: str | None
    reason: str | None
    detail: str | None
    title: str | None
    n_folds: int | None
    metrics: list[Metric] | None
    elements: list[str] | None


class Fold(TypedDict, total=False):
    """Scores of one fold by metric; `times` in seconds by part only where the training ran here."""

    fold: int
    scores: dict[str, PartScores]
    times: dict[str, float]


class Scores(TypedDict):
    """All scores of a submission."""

    bagged: dict[str, PartScores]
    folds: list[Fold]


class QueuePosition(TypedDict, total=False):
    """Where a submission that waits stands; 1 is next. The wait in seconds, None while nobody can tell.

    `paused`: nothing of its pool begins until an administrator resumes it, for this reason.
    """

    position: int
    estimated_wait_s: float | None
    paused: bool
    reason: str | None


class DecidedPool(TypedDict):
    """A pool of trainers as an administrator decided: open, paused or drained; the decision's ledger position, if there is one."""

    pool: str
    state: str
    reason: str
    position: int | None


class Pool(TypedDict):
    """A pool as the orchestrator sees it: jobs that wait, are requested, are under way; the decision that this knows of."""

    pool: str
    state: str
    reason: str
    decided_at_position: int
    waiting: int
    requested: int
    under_way: int
    trainers: int
    slots: int
    heard_s_ago: float


class LogLines(TypedDict):
    """Something that a submission has just printed on a fold."""

    fold: int
    text: str


class Submission(TypedDict, total=False):
    """A submission; from `folds_done` on only where one is asked for."""

    id: str
    name: str
    team: str
    challenge: str
    #: uploaded, queued, training, trained, scored, failed or withdrawn.
    state: str
    outcome: str | None
    submitted_at: str
    folds_done: int
    n_folds: int
    queue: QueuePosition | None
    reason: str | None
    traceback: str | None
    scores: Scores | None
    metrics: list[Metric]
    train_time_s: float | None
    valid_time_s: float | None
    test_time_s: float | None
    peak_memory_bytes: int | None
    finished_at: str | None
    files: list[str]
    owned: bool


class BoardRow(TypedDict, total=False):
    """A line of a board; times in seconds."""

    rank: int
    team: str
    submission: str
    submission_id: str
    scores: PartScores
    test_scores: PartScores
    standard_errors: PartScores
    #: Whether it and the next row do not differ beyond what folds differ by; None where that is not known.
    within_noise: bool | None
    #: Percent of the challenge's ensemble; None before there is one.
    contributivity: int | None
    #: The same once every submission has passed on what it credits to earlier ones.
    historical_contributivity: int | None
    public_rank: int | None
    #: Places gained from the public to the private competition.
    move: int | None
    train_time_s: float | None
    valid_time_s: float | None
    test_time_s: float | None
    peak_memory_bytes: int | None
    submitted_at: str


class Board(TypedDict):
    """A leaderboard."""

    challenge: str
    board: str
    position: int
    metrics: list[Metric]
    #: What the challenge's ensemble scores.
    combined: dict[str, float | None]
    rows: list[BoardRow]


class EnsembleMember(TypedDict):
    """A submission that is part of a challenge's ensemble."""

    rank: int
    team: str
    submission: str
    submission_id: str
    #: In percent.
    contributivity: int
    share: float


class EnsemblePoint(TypedDict, total=False):
    """The official metric of ensembles of at most so many members."""

    n_members: int
    score: float | None
    test_score: float | None


class Ensemble(TypedDict, total=False):
    """The submissions of a challenge that predict best together; test scores only for those who may see them."""

    challenge: str
    position: int
    up_to_position: int
    n_candidates: int
    metrics: list[Metric]
    combined: dict[str, float | None]
    foldwise_best: dict[str, float | None]
    combined_test: dict[str, float | None]
    foldwise_best_test: dict[str, float | None]
    members: list[EnsembleMember]
    curve: list[EnsemblePoint]


class KitFault(TypedDict):
    """A failure of a challenge's own code."""

    position: int
    recorded_at: str
    #: `metric` (scores are missing), `scoring` (a submission has none) or `ensemble`.
    kind: str
    submission_id: str | None
    reason: str


class KitFaultDetail(KitFault):
    """And what the code said."""

    detail: str | None


class UnscoredRow(TypedDict):
    """A submission without a score."""

    team: str
    submission: str
    submission_id: str
    state: str
    outcome: str | None
    folds_done: int
    n_folds: int | None
    queue: QueuePosition | None
    submitted_at: str
    finished_at: str | None


class UnscoredBoard(TypedDict):
    """The new or the failed submissions of a challenge."""

    challenge: str
    rows: list[UnscoredRow]


class Grade(TypedDict):
    """One person in a challenge; scores are of the official metric."""

    name: str
    team: str
    rank: int | None
    public_score: float | None
    private_rank: int | None
    private_score: float | None
    #: Percent of the challenge's ensemble; None before there is one.
    contributivity: int | None
    historical_contributivity: int | None
    n_submissions: int


class Grades(TypedDict):
    """Everybody who takes part."""

    challenge: str
    metric: Metric
    grades: list[Grade]


class Credit(TypedDict):
    """Credit to, or from, a submission; `percent` of the one that gives it."""

    submission: str
    submission_id: str
    team: str
    percent: int


class Credits(TypedDict):
    """What a submission gives to earlier ones, and what it received of later ones."""

    submission: str
    given: list[Credit]
    received: list[Credit]


class Environment(TypedDict):
    """What a challenge's submissions run in."""

    #: Such as "3.11".
    python_version: str
    #: A requirements file with hashes.
    requirements: str
    digest: str


class HistoryEntry(TypedDict):
    """A fact about a submission; `caused_by` is the position of the one that it followed from, digests are SHA-256."""

    position: int
    recorded_at: str
    type: str
    caused_by: int | None
    words: str
    digests: dict[str, str]


class History(TypedDict):
    """Everything that the ledger says about a submission, in order."""

    submission: Submission
    entries: list[HistoryEntry]
