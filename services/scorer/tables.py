"""The tables of the scorer's read model, as its migrations make them (a test compares the two)."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Double, Integer, MetaData, Table, Text, Uuid

from shared.ledger import given_column, key_column

TABLES = MetaData()

CHALLENGES = Table(
    "challenges",
    TABLES,
    key_column("challenge_id", Text),
    given_column("problem_id", Text),
    given_column("problem_version", Integer),
    given_column("ensemble_size", Integer),
    given_column("ensemble_min_improvement", Double),
    #: Positions: of the last score by this version, or of its adoption; and up to which scores were looked at.
    given_column("scored_at_position", BigInteger, 0),
    given_column("looked_at_position", BigInteger, 0),
    #: The version of the ensemble's stream; and the `EnsembleComputed` event's data, once there is one.
    given_column("stream_version", BigInteger, 0),
    Column("ensemble", Text),
)
SUBMISSIONS = Table(
    "submissions",
    TABLES,
    key_column("submission_id", Uuid),
    given_column("challenge_id", Text),
    given_column("team_id", Uuid),
    given_column("submitted_at", DateTime(timezone=True)),
    given_column("uploaded_at_position", BigInteger),
)
#: Runs that may stand on boards: no reproductions.
RUNS = Table(
    "runs",
    TABLES,
    key_column("run_id", Uuid),
    given_column("submission_id", Uuid),
    given_column("number", Integer),
    #: That it was requested with.
    given_column("problem_version", Integer),
    given_column("output_limit_bytes", BigInteger),
    #: Where its predictions are; null before it is trained.
    Column("pool", Text),
    Column("predictions_digests", ARRAY(Text)),
)
#: Which run of a submission stands by a version of the problem: the one that was scored last by it, and where that is recorded.
SCORED = Table(
    "scored",
    TABLES,
    key_column("submission_id", Uuid),
    key_column("problem_version", Integer),
    given_column("run_id", Uuid),
    given_column("position", BigInteger),
)
#: Runs that another version than theirs could not score.
NOT_RESCORED = Table("not_rescored", TABLES, key_column("run_id", Uuid), key_column("problem_version", Integer))
