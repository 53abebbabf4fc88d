"""`palio dead-letters`: what no consumer could handle: look at it, put it back, or drop it. For operators."""

import asyncio
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from uuid import UUID

import click
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, text

from services.orchestrator.dead_letters.requeue import AWAY, RequeueError, requeue
from services.orchestrator.dead_letters.store import Kept, Listed, drop, find, listed
from shared.bus.connection import connect
from shared.owner import owner_engine
from shared.settings import BusSettings

_CONNECT_LIMIT_S = 10.0
_SHOWN_REASON_CHARS = 120
_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ids_argument = click.argument("ids", nargs=-1, type=click.UUID, metavar="[ID]...")
of_queue = click.option("--queue", help="Only those of this queue.")
every_one = click.option("--all", "every", is_flag=True, help="All of them; with --queue all of that queue.")


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that no consumer could handle.

    Needs PALIO_OWNER_DATABASE_URL, the database as its owner; `requeue` also PALIO_AMQP_URL, the broker's user operator.
    """


@dead_letters.command("list")
@of_queue
@click.option("--reason", help="Only those whose reason holds this text.")
@as_json
def list_(*, queue: str | None, reason: str | None, as_json: bool) -> None:
    """List them, the oldest first.

    \b
    Examples:
      palio dead-letters list
      palio dead-letters list --queue orchestrator.reports --reason "belongs to pool"
    """
    with _database() as (_, connection):
        found = listed(connection, queue, reason)
    if as_json:
        click.echo(json.dumps([_plain(each) for each in found], indent=2))
        return
    for each in found:
        times = f" ({each.arrivals} times)" if each.arrivals > 1 else ""
        reason = tamed(each.reason).replace("\n", " ")[:_SHOWN_REASON_CHARS]
        click.echo(f"{each.id}  {_age(each.age_s):>7}  {each.queue or 'unknown queue'}{times}: {reason}")
    click.echo(f"{len(found)} dead letters." if found else "There are no dead letters.", err=True)


@dead_letters.command()
@click.argument("id_", type=click.UUID, metavar="ID")
@as_json
def show(id_: UUID, *, as_json: bool) -> None:
    """Show one with its headers and body. A stranger may have written them: control characters are shown as codes.

    \b
    Example:
      palio dead-letters show 6f1c27a5-6a1e-4b9f-9d6b-0f2f6f5f7a10
    """
    with _database() as (_, connection):
        found = _existing(find(connection, id_))
    if as_json:
        body = found.body.decode(errors="backslashreplace")
        click.echo(json.dumps({**_plain(found), "headers": json.loads(found.headers), "body": body}, indent=2))
        return
    facts = {
        "id": found.id,
        "received": f"{found.received_at:%Y-%m-%d %H:%M:%S} UTC, {_age(found.age_s)} ago, {found.arrivals} times",
        "queue": found.queue or "unknown: nobody who may be believed says it",
        "routing key": found.routing_key,
        "first sent by": found.sender or "unknown",
        "reason": found.reason,
        "sha256": found.digest,
    }
    for name, value in facts.items():
        click.echo(f"{name + ':':15}{tamed(str(value))}")
    click.echo(f"headers:\n{tamed(_pretty(found.headers.encode()))}")
    cut = "" if found.is_whole else f", of which {len(found.body):,} are kept"
    click.echo(f"body, {found.body_bytes:,} bytes{cut}:\n{tamed(_pretty(found.body))}")


@dead_letters.command("requeue")
@ids_argument
@every_one
@of_queue
def requeue_(ids: tuple[UUID, ...], *, every: bool, queue: str | None) -> None:
    """Put them back into the queues that they came from. What was done meanwhile is not done a second time.

    Exit code 1 if one can't be; that one stays.

    \b
    Examples:
      palio dead-letters requeue 6f1c27a5-6a1e-4b9f-9d6b-0f2f6f5f7a10
      palio dead-letters requeue --all --queue scorer.events
    """
    with _database() as (engine, connection):
        chosen = _chosen(connection, ids, queue, every=every)
        connection.rollback()
        failed = asyncio.run(_requeue_all(engine, chosen)) if chosen else 0
    sys.exit(1 if failed else 0)


@dead_letters.command("drop")
@ids_argument
@every_one
@of_queue
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop_(ids: tuple[UUID, ...], *, every: bool, queue: str | None, yes: bool) -> None:
    """Remove them for good.

    \b
    Examples:
      palio dead-letters drop 6f1c27a5-6a1e-4b9f-9d6b-0f2f6f5f7a10
      palio dead-letters drop --all --queue orchestrator.reports --yes
    """
    with _database() as (_, connection):
        chosen = _chosen(connection, ids, queue, every=every)
        if chosen and not yes:
            click.confirm(f"Remove {len(chosen)} dead letters for good?", abort=True, err=True)
        dropped = drop(connection, chosen)
        connection.commit()
    click.echo(f"{dropped} dead letters are removed.")


def tamed(text: str) -> str:
    """Text that can't move a terminal's cursor, hide what stands before it or turn its direction: such characters are shown as codes."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        else f"\\u{ord(character):04x}"
        for character in text
    )


async def _requeue_all(engine: Engine, ids: Sequence[UUID]) -> int:
    """Requeue them, one after the other, saying what becomes of each; returns how many could not be."""
    failed = 0
    try:
        settings = BusSettings()
    except ValidationError as error:
        raise click.ClickException("Set PALIO_AMQP_URL to the broker as its user operator.") from error
    try:
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            connection = await connect(settings, "palio dead-letters")
    except AWAY as error:
        raise click.ClickException(f"RabbitMQ does not answer, or refuses: {type(error).__name__}") from error
    async with connection:
        for id_ in ids:
            try:
                queue = await requeue(engine, connection, id_)
            except (RequeueError, *AWAY) as error:
                failed += 1
                click.echo(f"{id_} stays: {error}", err=True)
            else:
                click.echo(f"{id_} is gone already." if queue is None else f"{id_} is in {queue} again.")
    return failed


def _chosen(connection: Connection, ids: Sequence[UUID], queue: str | None, *, every: bool) -> list[UUID]:
    if bool(ids) == every:
        raise click.UsageError("Name dead letters by their ids, or say --all.")
    if queue is not None and not every:
        raise click.UsageError("--queue goes with --all.")
    return [each.id for each in listed(connection, queue)] if every else list(ids)


@contextmanager
def _database() -> Iterator[tuple[Engine, Connection]]:
    with owner_engine() as engine, engine.connect() as connection:
        connection.execute(text("SET search_path = orchestrator"))
        yield engine, connection


def _existing(found: Kept | None) -> Kept:
    if found is None:
        raise click.ClickException("there is no dead letter of this id; see `palio dead-letters list`")
    return found


def _plain(each: Listed) -> dict[str, object]:
    """For JSON, without what `show` prints apart."""
    fields = {name: value for name, value in asdict(each).items() if name not in {"headers", "body"}}
    return {**fields, "id": str(each.id), "received_at": each.received_at.isoformat(), "age_s": round(each.age_s, 1)}


def _pretty(content: bytes) -> str:
    """JSON with indents; anything else as text."""
    try:
        return json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return content.decode(errors="backslashreplace")


def _age(seconds: float) -> str:
    for unit_s, unit in _AGES:
        if seconds >= unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return "now"


if __name__ == "__main__":
    dead_letters()
