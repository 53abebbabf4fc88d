"""The tables of the read model, as its migrations make them (a test compares the two). In whatever schema: handlers name none."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Double, Integer, MetaData, Table, Text, Uuid

from shared.ledger import given_column, key_column

TABLES = MetaData()


_Moment = DateTime(timezone=True)
#: Of a log whose length, or a challenge whose budget, an earlier release did not record, all is shown.
UNKNOWN_LOG_BYTES = 64 * 2**20

TEAMS = Table("teams", TABLES, key_column("team_id", Uuid), given_column("name", Text), Column("sealed_for", Uuid))
MEMBERS = Table("members", TABLES, key_column("team_id", Uuid), key_column("user_id", Uuid))
PROBLEMS = Table(
    "problems",
    TABLES,
    key_column("problem_id", Text),
    key_column("version", Integer),
    given_column("organiser_id", Uuid),
    given_column("kit_digest", Text),
    given_column("state", Text),
    Column("outcome", Text),
    Column("reason", Text),
    Column("detail_digest", Text),
    #: The `ProblemPrepared` event's data, once there is one.
    Column("prepared", Text),
)
CHALLENGES = Table(
    "challenges",
    TABLES,
    key_column("challenge_id", Text),
    given_column("title", Text),
    given_column("problem_id", Text),
    given_column("problem_version", Integer),
    given_column("opens_at", _Moment),
    given_column("code_opens_at", _Moment),
    given_column("closes_at", _Moment),
    given_column("limits", Text),
    given_column("n_teams", Integer, 0),
    given_column("n_submissions", Integer, 0),
    given_column("log_policy", Text),
    given_column("team_log_bytes", BigInteger),
    given_column("created_at_position", BigInteger),
    #: Null while it has not closed.
    Column("closed_at_position", BigInteger),
)
ENSEMBLES = Table(
    "ensembles",
    TABLES,
    key_column("challenge_id", Text),
    #: It is the newest one up to the next position of its challenge.
    key_column("from_position", BigInteger),
    #: The `EnsembleComputed` event's data.
    given_column("ensemble", Text),
)
CREDITS = Table(
    "credits",
    TABLES,
    key_column("challenge_id", Text),
    key_column("submission_id", Uuid),
    #: They are the newest ones up to the next position of their submission.
    key_column("from_position", BigInteger),
    #: The `CreditsGiven` event's data.
    given_column("credits", Text),
)
JOINS = Table("joins", TABLES, key_column("challenge_id", Text), key_column("team_id", Uuid))
SUBMISSIONS = Table(
    "submissions",
    TABLES,
    key_column("submission_id", Uuid),
    given_column("challenge_id", Text),
    given_column("team_id", Uuid),
    given_column("name", Text),
    given_column("files", ARRAY(Text)),
    given_column("submitted_at", _Moment),
    given_column("state", Text),
    #: The run that it shows: the newest that is scored, else the newest.
    Column("run_id", Uuid),
    given_column("run_number", Integer, 1),
    given_column("pool", Text),
    Column("n_folds", Integer),
    Column("outcome", Text),
    Column("reason", Text),
    Column("failed_fold", Integer),
    Column("traceback_digest", Text),
    Column("finished_at", _Moment),
    #: The `ScoreComputed` event's data but for the detail, once there is one.
    Column("score", Text),
    #: Changes with every change of the row: an open stream sends when it does.
    given_column("changed_at_position", BigInteger),
)
SUBMISSION_STATES = Table(
    "submission_states",
    TABLES,
    key_column("submission_id", Uuid),
    key_column("from_position", BigInteger),
    given_column("state", Text),
    #: From the closed list, where the state has one.
    Column("outcome", Text),
)
FOLDS = Table(
    "folds",
    TABLES,
    key_column("run_id", Uuid),
    key_column("fold", Integer),
    #: Null for a fold that failed.
    Column("train_time_s", Double),
    Column("valid_time_s", Double),
    Column("test_time_s", Double),
    Column("peak_memory_bytes", BigInteger),
    Column("log_digest", Text),
    #: How much of its log the team sees.
    given_column("shown_log_bytes", BigInteger, UNKNOWN_LOG_BYTES),
)
TEAM_LOGS = Table(
    "team_logs", TABLES, key_column("challenge_id", Text), key_column("team_id", Uuid), given_column("shown_bytes", BigInteger)
)
BOARD_ROWS = Table(
    "board_rows",
    TABLES,
    key_column("submission_id", Uuid),
    given_column("challenge_id", Text),
    key_column("from_position", BigInteger),
    #: The first position at which it stands there no more; null while it does.
    Column("to_position", BigInteger),
    #: What stood there until then; while it stands, the submission's own columns say it.
    Column("run_id", Uuid),
    Column("run_number", Integer),
    Column("score", Text),
)
#: Runs besides the first ones.
REQUESTED_RUNS = Table(
    "requested_runs", TABLES, key_column("run_id", Uuid), given_column("number", Integer), given_column("purpose", Text)
)
#: Scores by versions of problems that their challenges may come to run; the newest of each submission.
PENDING_SCORES = Table(
    "pending_scores",
    TABLES,
    key_column("submission_id", Uuid),
    key_column("problem_version", Integer),
    given_column("challenge_id", Text),
    given_column("run_id", Uuid),
    #: As in `submissions`.
    given_column("score", Text),
)
KIT_FAULTS = Table(
    "kit_faults",
    TABLES,
    key_column("position", BigInteger),
    given_column("challenge_id", Text),
    given_column("recorded_at", _Moment),
    given_column("kind", Text),
    #: Null for what is no single submission's.
    Column("submission_id", Uuid),
    given_column("reason", Text),
    Column("detail_digest", Text),
)
