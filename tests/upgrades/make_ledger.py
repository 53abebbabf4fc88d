"""Makes the fixture anew: `.venv/bin/python -m tests.upgrades.make_ledger`, see README.md."""

import gzip
import json
import sys
import tempfile
from pathlib import Path

from sqlalchemy import create_engine, text

from shared.artefacts import Bucket, Store
from shared.migrations.roles import SERVICES
from tests.conftest import temporary_stack
from tests.support.previous_release import COMMIT, FOLDER, history_of_then, migrate_as_then, source_tree
from tests.support.servers import local_servers

DATABASE = "earlier"
ROWS = text(
    "SELECT position, CAST(id AS text) AS id, stream, version, type, schema_version, data, metadata,"
    " CAST(recorded_at AT TIME ZONE 'UTC' AS text) || '+00' AS recorded_at, encode(salt, 'hex') AS salt, encode(hash, 'hex') AS hash"
    " FROM ledger.events ORDER BY position"
)


def main() -> None:
    """Let that release's code migrate a database and play a history on it, and write down the ledger as it is."""
    with tempfile.TemporaryDirectory() as folder, temporary_stack("then") as stack:
        tree = source_tree(Path(folder))
        stack.start_servers()
        servers = local_servers(stack)
        setup = Store(servers.store_settings("operator"))
        for bucket in Bucket:
            setup.create_bucket(bucket)
        superuser = create_engine(servers.superuser_url, isolation_level="AUTOCOMMIT")
        with superuser.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {DATABASE}"))
        migrate_as_then(tree, servers.owner_url(DATABASE), servers.database_passwords)
        store = servers.store_settings("ingest").model_dump(mode="json")
        store["s3_secret_key"] = servers.s3_secrets["ingest"]
        told = history_of_then(tree, {each: servers.database_url(each, DATABASE) for each in SERVICES}, store)
        with create_engine(servers.owner_url(DATABASE)).connect() as connection:
            rows = [dict(row) for row in connection.execute(ROWS).mappings()]
    path = FOLDER / f"ledger-{COMMIT[:7]}.jsonl.gz"
    lines = [{"release": COMMIT, **told}, *rows]
    # Without a time in it, so that the same lines are the same file.
    path.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))
    sys.stdout.write(f"{path}: {len(rows)} events of {len({row['type'] for row in rows})} types\n")


if __name__ == "__main__":
    main()
