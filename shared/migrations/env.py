"""alembic's environment: one run migrates one schema, on the connection that `upgrade.py` hands over."""

from alembic import context

# Migrations are driver SQL without parameters: a `%` in a function's body is a `%`.
connection = context.config.attributes["connection"].execution_options(no_parameters=True)
schema = context.config.attributes["schema"]

context.configure(
    connection=connection, version_table="schema_version", version_table_schema=schema, transaction_per_migration=False
)
with context.begin_transaction():
    context.run_migrations()
