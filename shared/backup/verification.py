"""What is checked of a platform after it was restored: each check with what it found, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from shared.artefacts import Store
from shared.backup.folder import BackupFolder
from shared.backup.ledger_rows import objects_named
from shared.backup.manifest import Manifest
from shared.backup.objects import missing_from
from shared.backup.words import Progress
from shared.events import NewerVersionError
from shared.ledger.chain import BrokenChainError, snapshot
from shared.ledger.chain import verify as verify_ledger
from shared.ledger.read_model import ReadModel, read_models
from shared.ledger.rebuild import RebuildError, compare

#: So many missing objects are named by themselves.
_NAMED_AT_MOST = 20


@dataclass(frozen=True)
class Check:
    """One line of the list."""

    name: str
    ok: bool
    words: str


def verify(owner: Engine, store: Store, folder: BackupFolder, backup: Path, manifest: Manifest) -> Iterator[Check]:
    """Check a restored platform against the backup and itself; one check after the other, as they are done."""
    yield _ledger(owner, manifest)
    yield _objects(store, folder, backup, manifest)
    for name, model in read_models().items():
        yield _read_model(owner, name, model)
    yield _accounts(owner)


def _ledger(owner: Engine, manifest: Manifest) -> Check:
    progress = Progress("events verified")
    try:
        with snapshot(owner) as connection:
            head = verify_ledger(connection, lambda position, _goal: progress.done(position))
    except BrokenChainError as error:
        return Check("ledger", False, f"at position {error.position:,} {error}")
    if (head.position, head.hash.hex()) != (manifest.position, manifest.head_hash):
        return Check("ledger", False, f"it ends at position {head.position:,}, not at {manifest.position:,} as the backup")
    return Check("ledger", True, f"{head.position:,} events, the chain is whole and ends as in the backup")


def _read_model(owner: Engine, name: str, model: ReadModel) -> Check:
    progress = Progress(f"{name}: events taken in")
    try:
        found = compare(owner, model, lambda position, _goal: progress.done(position))
    except Exception as error:  # noqa: BLE001  (whatever it is: the platform is restored, and the list must tell all of it)
        reason = str(error) if isinstance(error, RebuildError | NewerVersionError) else type(error).__name__
        return Check(
            f"read model {name}", False, f"can't be made anew to compare it: {reason}; see palio projection check {name}"
        )
    tables = ", ".join(found.differences)
    words = f"differs from the ledger in {tables}: palio projection rebuild {name}" if tables else "is what the ledger says"
    return Check(f"read model {name}", not tables, f"at position {found.position:,} {words}")


def _objects(store: Store, folder: BackupFolder, backup: Path, manifest: Manifest) -> Check:
    named = objects_named(folder, backup, manifest.table("ledger", "events"))
    missing, count = [], 0
    for name in missing_from(store, folder, named):
        count += 1
        if name is not None:
            missing.append(f"{name.bucket}/{name.key}")
    if missing:
        more = len(missing) - _NAMED_AT_MOST
        words = ", ".join(missing[:_NAMED_AT_MOST]) + (f", and {more:,} more" if more > 0 else "")
        return Check("objects", False, f"the object store lacks {len(missing):,} that the ledger names: {words}")
    return Check("objects", True, f"all that the ledger names are there, in {count:,} places")


def _accounts(owner: Engine) -> Check:
    with owner.connect() as connection:
        without = connection.execute(
            text("SELECT count(*) FROM vault.accounts WHERE user_id NOT IN (SELECT user_id FROM vault.person_keys)")
        ).scalar_one()
        count = connection.execute(text("SELECT count(*) FROM vault.accounts")).scalar_one()
    words = f"{count:,} people can log in"
    return Check("accounts", not without, words if not without else f"{without:,} of {count:,} people have an account and no key")
