"""Restoring a backup: checked as a whole first, then the objects, then the database in one transaction.

Dies before the commit: the database is as it was, and objects may be there that nothing names; restore again. Dies after it: the
platform is there, unchecked; `palio projection check` checks it, or restore again with --replace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shared.artefacts import Store
from shared.backup.checking import check_backup
from shared.backup.folder import BackupFolder
from shared.backup.manifest import Manifest
from shared.backup.objects import put_objects
from shared.backup.tables import copy_in
from shared.backup.words import BackupError, Progress
from shared.ledger.chain import BrokenChainError, verify
from shared.migrations.roles import OWNER_ROLE, SERVICES, role_of
from shared.migrations.upgrade import MIGRATION_LOCK, knows_revision, migration_folders, upgrade_schema, upgrade_schemas
from shared.restored import GROUP, Restored, WhenRestored

#: Nobody should be there; a session that is must not hold this up.
LOCK_TIMEOUT = "10s"
#: Services that must be asked what to do about their tables. Without them real people would get mail from a test server, and
#: work that was under way would never go on.
_NEEDED = frozenset({"mailer", "relay"})
#: So many findings are named in one message.
_NAMED_AT_MOST = 10


@dataclass(frozen=True)
class RestoredPlatform:
    """What was restored, and what services said of it."""

    epoch: int
    n_objects: int
    said: dict[str, str]


def restore(
    owner: Engine,
    store: Store,
    folder: BackupFolder,
    backup: Path,
    manifest: Manifest,
    *,
    replace: bool,
    mail: bool,
    accept_missing: bool,
) -> RestoredPlatform:
    """Restore a backup. Raises `BackupError`, and then the database is as it was."""
    _refuse_what_is_newer(manifest)
    # Before hours of reading: what would be refused at the end anyway.
    with owner.connect() as connection:
        _refuse_unless_free(connection, replace=replace)
    found = check_backup(folder, backup, manifest)
    if found.database:
        raise BackupError(f"{backup.name} is damaged: {_some(found.database)}. Restore another one with --backup")
    if found.objects and not accept_missing:
        raise BackupError(
            f"{backup.name} lacks {len(found.objects):,} objects: {_some(found.objects)}. Take the folder from another copy, restore"
            " another backup, or restore without them with --accept-missing"
        )
    n_objects = put_objects(store, folder, backup, manifest)
    try:
        with owner.begin() as connection:
            epoch = _fill(connection, backup, manifest, replace=replace)
            # In this transaction: a ledger that does not verify is never there.
            progress = Progress("events verified")
            verify(connection, lambda position, _goal: progress.done(position))
            said = _tell_services(connection, Restored(manifest.made_at, manifest.position, mail))
    except BrokenChainError as error:
        raise BackupError(f"the restored ledger breaks at position {error.position:,}: {error}; nothing was changed") from error
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == "55P03":
            raise BackupError(
                "somebody uses the database: stop the services, and whoever else is connected, and try again"
            ) from error
        raise
    return RestoredPlatform(epoch, n_objects, said)


def _refuse_what_is_newer(manifest: Manifest) -> None:
    folders = migration_folders()
    for schema, revision in manifest.revisions.items():
        if schema not in folders or not knows_revision(folders[schema], revision):
            raise BackupError(
                f"this backup was made by release {manifest.release}, whose schema {schema} is at revision {revision}, which this"
                " release does not know: restore it with that release or a later one"
            )


def _refuse_unless_free(connection: Connection, *, replace: bool) -> int:
    """Raises `BackupError` if the database is in use, holds another platform, or is not set up. Returns its epoch, 0 for none."""
    if connection.execute(text("SELECT FROM pg_roles WHERE rolname = :role"), {"role": OWNER_ROLE}).one_or_none() is None:
        raise BackupError("the services' roles are not there: set the server up with `python -m shared.migrations`, then restore")
    connected = connection.execute(
        text(
            "SELECT DISTINCT CAST(usename AS text) FROM pg_stat_activity WHERE datname = current_database() AND usename = ANY(:roles)"
            " ORDER BY 1"
        ),
        {"roles": [role_of(service) for service in SERVICES]},
    ).scalars()
    if services := [role.removeprefix("palio_") for role in connected]:
        raise BackupError(f"services are connected to this database: stop {', '.join(services)}, and restore then")
    if connection.execute(text("SELECT to_regclass('ledger.head')")).scalar_one() is None:
        return 0
    head = connection.execute(text("SELECT epoch, position FROM ledger.head")).one()
    if head.position and not replace:
        raise BackupError(
            f"this database holds a ledger of {head.position:,} events: name an empty one, or throw it away with --replace"
        )
    return int(head.epoch)


def _fill(connection: Connection, backup: Path, manifest: Manifest, *, replace: bool) -> int:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    # Again: objects took their time.
    epoch_here = _refuse_unless_free(connection, replace=replace)
    folders = migration_folders()
    for schema in folders:
        # With what a rebuild that was killed left.
        for each in (schema, f"{schema}_made_anew", f"{schema}_replaced"):
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{each}" CASCADE'))
    for schema, folder in folders.items():
        if schema in manifest.revisions:
            upgrade_schema(connection, schema, folder, manifest.revisions[schema])
    copy_in(connection, manifest, backup)
    head = connection.execute(text("SELECT position, encode(hash, 'hex') AS hash FROM ledger.head")).one()
    if (head.position, head.hash) != (manifest.position, manifest.head_hash):
        raise BackupError(
            "the ledger's head in this backup is not the one that the manifest says: it is damaged; take another one"
        )
    upgrade_schemas(connection)
    # Above both: whatever was published of the ledger that was here, or of the one in the backup, is of an earlier epoch.
    epoch = max(manifest.epoch, epoch_here) + 1
    connection.execute(text("UPDATE ledger.head SET epoch = :epoch"), {"epoch": epoch})
    return epoch


def _tell_services(connection: Connection, restored: Restored) -> dict[str, str]:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if missing := sorted(_NEEDED - set(found)):
        raise BackupError(f"this installation knows nothing of {', '.join(missing)}: install it with all services and try again")
    said = {}
    for name in sorted(found):
        when_restored: WhenRestored = found[name].load()
        connection.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": name})
        said[name] = when_restored(connection, restored)
    connection.execute(text("RESET search_path"))
    return said


def _some(words: Sequence[str]) -> str:
    more = len(words) - _NAMED_AT_MOST
    return "; ".join(words[:_NAMED_AT_MOST]) + (f"; and {more:,} more" if more > 0 else "")
