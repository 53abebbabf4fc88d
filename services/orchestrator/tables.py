"""The tables of the orchestrator's projection, as its migrations make them (a test compares the two). In whatever schema."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, ForeignKey, Integer, MetaData, Table, Text, Uuid

from shared.ledger import given_column, key_column

TABLES = MetaData()

_Moment = DateTime(timezone=True)

CHALLENGES = Table("challenges", TABLES, key_column("challenge_id", Text), given_column("log_policy", Text))
#: Runs that are not over.
RUNS = Table(
    "runs",
    TABLES,
    key_column("run_id", Uuid),
    given_column("submission_id", Uuid),
    given_column("challenge_id", Text),
    given_column("team_id", Uuid),
    given_column("pool", Text),
    #: The ledger position of the upload: lower is older. Of further runs a number above all of these.
    given_column("age", BigInteger),
    given_column("is_shared", Boolean, default=False),
    given_column("has_fold_0", Boolean, default=False),
    Column("time_limit_s", Double),
    Column("n_folds", Integer),
    Column("last_fact_at", _Moment),
)
JOBS = Table(
    "jobs",
    TABLES,
    Column("run_id", Uuid, ForeignKey("runs.run_id", ondelete="CASCADE"), primary_key=True),
    #: A shared fold, or -1 for the run's first request.
    key_column("fold", Integer),
    #: How often it was requested.
    given_column("attempt", Integer, default=0),
    given_column("waiting_since", _Moment),
    #: Null while it waits.
    Column("requested_at", _Moment),
    Column("started_at", _Moment),
    #: When a later request of the same queue was begun before this one.
    Column("overtaken_at", _Moment),
)
#: The ledger position of each team's last turn.
TURNS = Table(
    "turns",
    TABLES,
    key_column("pool", Text),
    key_column("challenge_id", Text),
    key_column("team_id", Uuid),
    given_column("position", BigInteger),
)
#: How long jobs took lately, in seconds, from their start on a trainer to their end.
DURATIONS = Table(
    "durations", TABLES, key_column("challenge_id", Text), key_column("is_shared_fold", Boolean), given_column("seconds", Double)
)
#: Times of challenges of which the ledger does not say yet that they have come. 1: it opens, 2: its code opens, 3: it closes.
CHALLENGE_TIMES = Table(
    "challenge_times", TABLES, key_column("challenge_id", Text), key_column("number", Integer), given_column("due_at", _Moment)
)
#: Published versions of problems of which nothing came yet, and how often they were asked for again.
OWED_PREPARATIONS = Table(
    "owed_preparations",
    TABLES,
    key_column("problem_id", Text),
    key_column("version", Integer),
    given_column("asked_at", _Moment),
    given_column("attempt", Integer, default=0),
)
#: Trained runs without a score.
OWED_SCORES = Table(
    "owed_scores",
    TABLES,
    key_column("run_id", Uuid),
    given_column("submission_id", Uuid),
    given_column("asked_at", _Moment),
    given_column("attempt", Integer, default=0),
)
#: What operators decided of pools; `position` is that of the decision.
POOLS = Table(
    "pools",
    TABLES,
    key_column("pool", Text),
    given_column("state", Text),
    given_column("reason", Text),
    given_column("position", BigInteger),
)
