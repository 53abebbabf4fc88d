"""`palio backup` and `palio restore`, for operators."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import urllib3.exceptions
from minio.error import MinioException
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from shared.artefacts import Store
from shared.backup.checking import check_backup
from shared.backup.folder import BackupFolder
from shared.backup.making import make_backup
from shared.backup.restoring import restore as restore_backup
from shared.backup.verification import Check, verify
from shared.backup.words import BackupError
from shared.ledger.rebuild import RebuildError
from shared.owner import owner_engine
from shared.settings import StoreSettings

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_backup = click.option("--backup", "name", metavar="NAME", help="Which backup in FOLDER. [default: the newest]")


@click.command()
@_folder
@_backup
@click.option("--verify", "only_verify", is_flag=True, help="Make none: read a backup, and say whether it is sound.")
@_as_json
def backup(folder: Path, name: str | None, *, only_verify: bool, as_json: bool) -> None:
    """Copy the database and the object store, at one position of the ledger, into FOLDER, while everything runs.

    The second and later backups into a FOLDER copy only objects that are new. A backup holds keys of persons and labels: its files
    are readable for you alone, and encrypting the disk is up to you.

    Needs PALIO_OWNER_DATABASE_URL, the database as its owner, and PALIO_S3_ENDPOINT, PALIO_S3_ACCESS_KEY and PALIO_S3_SECRET_KEY, a
    key that may do everything. Exit code 1 if the ledger names an object that is not to be had.

    \b
    Examples:
      palio backup /backups/palio
      palio backup /backups/palio --verify
    """
    with _errors_in_words():
        if only_verify:
            _verify_backup(folder, name, as_json=as_json)
            return
        if name is not None:
            raise click.UsageError("--backup goes with --verify: a new backup is named by its time")
        with owner_engine() as owner:
            made = make_backup(owner, _store(), folder)
    manifest, copied = made.manifest, made.copied
    if as_json:
        facts = {
            "backup": made.path.name,
            "position": manifest.position,
            "objects": copied.n_objects,
            "new_objects": copied.n_new,
            "new_bytes": copied.new_size,
            "left_out": copied.n_left_out,
            "missing": manifest.n_missing,
            "missing_objects": manifest.missing,
        }
        click.echo(json.dumps(facts))
    else:
        click.echo(
            f"{made.path} is complete: position {manifest.position:,}, {copied.n_objects:,} objects, {copied.n_new:,} of them new"
            f" ({copied.new_size / 2**20:,.1f} MiB)."
        )
        if copied.n_left_out:
            click.echo(
                f"Objects left out, since they hold other bytes than their keys say, or are none of ours: {copied.n_left_out:,}."
            )
        for each in manifest.missing:
            click.echo(f"missing: {each}", err=True)
        if manifest.n_missing:
            click.echo(
                f"Objects that the ledger names, and that neither the object store nor a backup here has: {manifest.n_missing:,}.",
                err=True,
            )
    sys.exit(1 if manifest.n_missing else 0)


def _verify_backup(path: Path, name: str | None, *, as_json: bool) -> None:
    folder = BackupFolder(path)
    backup, manifest = folder.backup(name)
    found = check_backup(folder, backup, manifest)
    wrong = (*found.database, *found.objects)
    if as_json:
        click.echo(json.dumps({"backup": backup.name, "position": manifest.position, "wrong": wrong}))
    elif not wrong:
        click.echo(f"{backup} is sound: position {manifest.position:,}, {manifest.n_objects:,} objects.")
    else:
        for each in wrong:
            click.echo(f"{backup.name}: {each}")
        if found.objects:
            click.echo(
                "Remove what is damaged and run palio backup again: what the object store still holds is copied anew.", err=True
            )
    sys.exit(1 if wrong else 0)


@click.command()
@_folder
@_backup
@click.option("--replace", is_flag=True, help="Throw away the ledger and everything else that the database holds now.")
@click.option("--mail", is_flag=True, help="Let mails leave. Without it the mailer stays silent until `palio mail on`.")
@click.option("--accept-missing", is_flag=True, help="Restore although objects are damaged or missing.")
@_as_json
def restore(folder: Path, name: str | None, *, replace: bool, mail: bool, accept_missing: bool, as_json: bool) -> None:
    """Make a platform again from a backup in FOLDER, in an empty database and an object store, and check it.

    Stop all services first, and give them a broker without data: docs/operations.md has the steps. The backup is read and checked as
    a whole before anything is changed; the database changes in one transaction.

    Mail is off unless you say --mail: a copy of a platform knows the addresses of real people. Needs what `palio backup` needs. Exit
    code 1 if any check fails.

    \b
    Examples:
      palio restore /backups/palio                  a test server, or a drill
      palio restore /backups/palio --replace --mail  the platform itself, after a loss
    """
    with _errors_in_words(), owner_engine() as owner:
        store, opened = _store(), BackupFolder(folder)
        backup, manifest = opened.backup(name)
        done = restore_backup(owner, store, opened, backup, manifest, replace=replace, mail=mail, accept_missing=accept_missing)
        checks = [Check("epoch", True, f"raised from {manifest.epoch} to {done.epoch}")]
        checks += [Check(service, True, words) for service, words in done.said.items()]
        _show(checks, as_json=as_json)
        for check in verify(owner, store, opened, backup, manifest):
            checks.append(check)
            _show([check], as_json=as_json)
    all_well = all(check.ok for check in checks)
    if as_json:
        facts = {"backup": backup.name, "position": manifest.position, "epoch": done.epoch, "objects": done.n_objects}
        click.echo(json.dumps({**facts, "checks": [{"name": each.name, "ok": each.ok, "words": each.words} for each in checks]}))
    else:
        words = "restored" if all_well else "restored, and not whole: see above"
        click.echo(f"{backup.name}, position {manifest.position:,}, is {words}. Its services may start now.")
    sys.exit(0 if all_well else 1)


def _show(checks: list[Check], *, as_json: bool) -> None:
    for check in checks if not as_json else ():
        click.echo(f"{'✓' if check.ok else '✗'} {check.name}: {check.words}")


def _store() -> Store:
    try:
        return Store(StoreSettings())
    except ValidationError as error:
        # Without the values: one of them is a secret.
        names = ", ".join(f"PALIO_{str(each['loc'][0]).upper()}" for each in error.errors(include_input=False))
        raise BackupError(
            f"these settings are missing or wrong: {names}. They name the object store, and a key that may do everything"
        ) from error


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except (BackupError, RebuildError) as error:
        raise click.ClickException(str(error)) from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise click.ClickException(f"the object store does not answer, or refuses: {error}; try again when it does") from error
    except OSError as error:
        # A full disk, a folder that may not be written.
        raise click.ClickException(
            f"{error.strerror or error}: {error.filename or 'a file of the backup'}; mend that and try again"
        ) from error
    except DBAPIError as error:
        # An address may stand in its words only if the connection fails, which `owner_engine` tells.
        raise click.ClickException(f"the database refuses: {type(error.orig).__name__}: {str(error.orig).strip()}") from error
