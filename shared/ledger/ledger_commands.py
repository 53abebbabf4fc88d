"""`palio ledger`: the ledger checked from end to end, and given to strangers who want to check it themselves. For operators."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from shared.events import NewerVersionError
from shared.ledger.chain import BrokenChainError, snapshot, verify
from shared.ledger.export import ExportError, export_public
from shared.ledger.progress import progress_bar
from shared.owner import owner_engine

_HASH_BYTES = 32


def _hash(value: str) -> bytes:
    """A hash of the ledger, as mails and commands print it."""
    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if len(found) != _HASH_BYTES:
        raise click.BadParameter(f"{value} is no hash of the ledger: those are {2 * _HASH_BYTES} hexadecimal digits")
    return found


@click.group()
def ledger() -> None:
    """The ledger: check it, and export what strangers may check.

    Needs PALIO_OWNER_DATABASE_URL, the database as its owner.
    """


@ledger.command("verify")
@click.option(
    "--known",
    type=(click.IntRange(min=1), _hash),
    multiple=True,
    metavar="POSITION HASH",
    help="A hash that you have from elsewhere, such as a mail; may be repeated. Without one, whoever owns the database could have written "
    "the whole ledger anew.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_(known: tuple[tuple[int, bytes], ...], *, as_json: bool) -> None:
    """Compute every hash of the ledger again. Exit code 1 if any event is not what was recorded; the first such is named.

    Others go on reading and appending meanwhile.

    \b
    Examples:
      palio ledger verify
      palio ledger verify --known 1200 6c0f…
    """
    started = time.monotonic()
    fault: BrokenChainError | None = None
    with owner_engine() as engine, snapshot(engine) as connection, progress_bar("checking the ledger") as progress:
        try:
            head = verify(connection, progress, dict(known))
        except BrokenChainError as error:
            fault = error
    seconds = time.monotonic() - started
    if fault is not None:
        if as_json:
            click.echo(json.dumps({"sound": False, "first_bad_position": fault.position, "reason": str(fault)}))
        else:
            click.echo(f"The ledger is broken from position {fault.position:,} on: {fault}.")
        sys.exit(1)
    if as_json:
        click.echo(json.dumps({"sound": True, "position": head.position, "hash": head.hash.hex(), "seconds": round(seconds, 3)}))
        return
    click.echo(f"The ledger is sound: {head.position:,} events, checked in {seconds:.1f} s.")
    click.echo(f"It ends at position {head.position} with the hash {head.hash.hex()}")


@ledger.command("export")
@click.option("--public", "challenge", metavar="CHALLENGE", required=True, help="The challenge whose events are whole.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True), default="-", help="A file; default: standard output."
)
def export_(challenge: str, output: str) -> None:
    """Write the public record of a closed CHALLENGE: its events whole, all others as hashes that tell nothing.

    A stranger checks it with script/verify-export.py, which needs nothing but Python. A file is there whole or not at all.

    \b
    Example:
      palio ledger export --public iris -o iris.jsonl
    """
    try:
        with (
            owner_engine() as engine,
            snapshot(engine) as connection,
            progress_bar("exporting the ledger") as progress,
            _whole_or_not(output) as file,
        ):
            exported = export_public(connection, challenge, file, progress)
    except (ExportError, NewerVersionError) as error:
        raise click.ClickException(str(error)) from error
    except BrokenChainError as error:
        raise click.ClickException(f"the ledger is broken from position {error.position:,} on: {error}") from error
    head = exported.head
    # Standard output may be the export itself.
    click.echo(f"{exported.whole:,} of {head.position:,} events are whole.", err=True)
    click.echo(f"The ledger ends at position {head.position} with the hash {head.hash.hex()}", err=True)


@contextmanager
def _whole_or_not(output: str) -> Iterator[TextIO]:
    """A file to write that gets its name at the end; killed before that, it leaves `NAME.part`, which the next one overwrites."""
    if output == "-":
        yield sys.stdout
        return
    part = Path(f"{output}.part")
    try:
        with part.open("w", encoding="ascii") as file:
            yield file
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
