"""The tables of the scorer's read model, as its migrations make them (a test compares the two)."""

from sqlalchemy import ARRAY, BigInteger, Column, Double, Integer, MetaData, Table, Text, Uuid

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
    #: Positions: of the last score, and up to which scores were looked at.
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
    given_column("uploaded_at_position", BigInteger),
    given_column("output_limit_bytes", BigInteger),
    #: The run that was scored last; null before.
    Column("run_id", Uuid),
    Column("problem_version", Integer),
    Column("scored_at_position", BigInteger),
)
RUNS = Table(
    "runs", TABLES, key_column("run_id", Uuid), given_column("pool", Text), given_column("predictions_digests", ARRAY(Text))
)
