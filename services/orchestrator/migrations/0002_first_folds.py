"""Which runs have shared their folds, and which have their first one: a first request is done when both are."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = """
ALTER TABLE runs ADD COLUMN is_shared boolean NOT NULL DEFAULT false;
ALTER TABLE runs ADD COLUMN has_fold_0 boolean NOT NULL DEFAULT false;
"""


def upgrade() -> None:
    """Add the columns."""
    op.get_bind().exec_driver_sql(STATEMENTS)
