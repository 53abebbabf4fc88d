"""`palio ops status`: how the whole platform is. For operators, and for whatever watches for them."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields

import click
from pydantic import ValidationError

from operations.facts import Facts
from operations.gathering import gather
from operations.judgement import GIB, Bounds, Breach, broken_bounds
from shared.settings import OperatorSettings

RUNBOOK = "docs/runbook.md"


def bound_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each bound."""
    for each in reversed(fields(Bounds)):
        name = "min" if each.name.startswith("free") else "max"
        option = f"--{name}-{each.name.replace('_', '-')}"
        command = click.option(
            option,
            each.name,
            type=click.FloatRange(min=0),
            default=each.default,
            show_default=True,
            help=each.metadata["meaning"],
        )(command)
    return command


@click.group()
def ops() -> None:
    """How the whole platform is.

    Needs what script/up writes to .palio/operator.env: set -a; . .palio/operator.env; set +a
    """


@ops.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@bound_options
def status(*, as_json: bool, **bounds: float) -> None:
    """Look at every service, server, queue and lag. Exit code 1 if a bound is broken, or a part does not answer.

    \b
    Examples:
      palio ops status
      palio ops status --json --max-dead-letters 10 --max-pool-wait-s 7200
    """
    try:
        settings = OperatorSettings()
    except ValidationError as error:
        # Without the values: one of them may be a secret.
        wrong = "; ".join(f"PALIO_{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors(include_input=False))
        hint = "script/up writes them to .palio/operator.env; docs/settings.md tells about each."
        raise click.ClickException(f"these settings are missing or wrong: {wrong}. {hint}") from error
    facts = gather(settings)
    breaches = broken_bounds(facts, Bounds(**bounds))
    if as_json:
        click.echo(json.dumps({"ok": not breaches, "broken": [asdict(each) for each in breaches], **asdict(facts)}, indent=2))
    else:
        for line in (*_told(facts), *_said(breaches)):
            click.echo(_tamed(line))
    sys.exit(1 if breaches else 0)


def _told(facts: Facts) -> Iterator[str]:
    """The facts in lines."""
    for name, words in facts.away.items():
        yield _line(name, f"does not answer: {words}")
    for service in facts.services:
        yield _line(service.name, service.words if service.alive else f"does not answer: {service.words}")
    for lag in (*([facts.relay] if facts.relay else []), *facts.projections):
        yield _line(f"{lag.name} lag", f"{lag.events:,} events, {lag.seconds:.0f} s")
    for queue in facts.queues:
        age = (
            ""
            if not queue.ready or queue.age_s is None or queue.name.startswith("trainer.")
            else f", the oldest for {queue.age_s:.0f} s"
        )
        yield _line(queue.name, f"{queue.ready:,} ready{age}, {_count(queue.consumers, 'consumer')}")
    for pool in facts.pools:
        reason = f" ({pool.reason})" if pool.reason else ""
        waits = f", the oldest for {pool.oldest_wait_s:.0f} s" if pool.backlog else ""
        state = (
            f"{pool.state}{reason}; {pool.backlog:,} wait{waits}; {pool.under_way} under way; {_count(pool.trainers, 'trainer')}"
        )
        yield _line(f"pool {pool.name}", state)
    oldest = facts.unfinished
    words = (
        f"{oldest.submission_id} ({oldest.challenge}), {oldest.state}, {oldest.age_s:.0f} s; waits for {oldest.waits_for}"
        if oldest
        else "none"
    )
    yield _line("oldest unfinished", words)
    if facts.silence:
        yield _line("oldest silence", f"{facts.silence.oldest_s:.0f} s of {facts.silence.bound_s:.0f} s")
    if facts.dead_letters:
        yield _line("dead letters", f"{facts.dead_letters.number:,}")
    if facts.mail_off is not None:
        yield _line("mail", f"is off, and what is caused is dropped: {facts.mail_off}. Turn it on with: palio mail on")
    for disk in facts.disks:
        yield _line("free disk", f"{disk.free_bytes / GIB:.1f} GiB at {disk.path}")


def _said(breaches: list[Breach]) -> Iterator[str]:
    yield ""
    if not breaches:
        yield "All is well."
    for each in breaches:
        yield f"BROKEN {each.bound}: {each.words}. See {RUNBOOK}#{each.bound}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _line(name: str, words: str) -> str:
    return f"{name:24}{words}"


def _tamed(line: str) -> str:
    """Without control characters: words of services may repeat what strangers wrote."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
