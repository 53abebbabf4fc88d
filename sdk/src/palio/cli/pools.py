"""`palio pool`: what administrators decide of pools of trainers."""

from __future__ import annotations

import time

import click
from rich.table import Table

from palio.cli.session import connect, json_option, server_option
from palio.client import Client
from palio.client.answers import DecidedPool, Pool
from palio.terminal import messages, plain, print_json, results, say

#: Between two looks at a pool that is drained.
POLL_S = 0.5
#: What the orchestrator says every second is old after this.
SILENCE_S = 10.0

reason_option = click.option("--reason", default="", help="Why; everybody who waits reads it.")
pool_argument = click.argument("name", metavar="POOL")


@click.group()
def pool() -> None:
    """Pools of trainers: see, pause, drain and resume them. For administrators."""


@pool.command("list")
@server_option
@json_option
def list_(server: str | None, *, as_json: bool) -> None:
    """List the pools that have work or trainers, or of which something was decided.

    \b
    Example:
      palio pool list
    """
    with connect(server) as client:
        found = client.pools()
    if as_json:
        print_json({"items": found})
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("pool", "state", "waiting", "requested", "under way", "trainers", "slots", "reason"):
        table.add_column(heading)
    for each in found:
        cells = (each["waiting"], each["requested"], each["under_way"], each["trainers"], each["slots"], each["reason"])
        table.add_row(*(plain(cell) for cell in (each["pool"], each["state"], *cells)))
    results().print(table)
    if any(each["heard_s_ago"] > SILENCE_S for each in found):
        say("These figures are old: the orchestrator says nothing. See `palio ops status`.", "yellow")


@pool.command()
@pool_argument
@reason_option
@server_option
@json_option
def pause(name: str, reason: str, server: str | None, *, as_json: bool) -> None:
    """Request nothing more of POOL; what trainers have goes on.

    \b
    Example:
      palio pool pause gpu --reason "new disks, until noon"
    """
    _decide(name, "pause", reason, server, as_json=as_json)


@pool.command()
@pool_argument
@reason_option
@server_option
@json_option
def resume(name: str, reason: str, server: str | None, *, as_json: bool) -> None:
    """Let POOL go on.

    \b
    Example:
      palio pool resume gpu
    """
    _decide(name, "resume", reason, server, as_json=as_json)


@pool.command()
@pool_argument
@reason_option
@click.option("--no-wait", is_flag=True, help="Do not wait until nothing is under way.")
@click.option(
    "--wait-s", default=600.0, show_default=True, type=click.FloatRange(min=0), help="Wait no longer; exit code 1 then."
)
@server_option
@json_option
def drain(name: str, reason: str, server: str | None, *, no_wait: bool, wait_s: float, as_json: bool) -> None:
    """Request nothing more of POOL, and have its trainers give back what they do not finish within their PALIO_DRAIN_S.

    What comes back waits, and costs no submission an attempt. Waits until nothing is under way; Ctrl-C ends the waiting alone.

    \b
    Examples:
      palio pool drain gpu --reason "new driver"
      palio pool drain gpu --no-wait
    """
    _decide(name, "drain", reason, server, as_json=as_json, wait_s=None if no_wait else wait_s)


def _decide(name: str, decision: str, reason: str, server: str | None, *, as_json: bool, wait_s: float | None = None) -> None:
    with connect(server) as client:
        decided = client.decide_pool(name, decision, reason)
        say(f"{name} is {decided['state']}" + (f": {decided['reason']}" if decided["reason"] else "."), "green")
        if wait_s is not None:
            _wait_until_drained(client, decided, wait_s)
    if as_json:
        print_json(decided)


def _wait_until_drained(client: Client, decided: DecidedPool, wait_s: float) -> None:
    """Return once nothing of the pool is under way; ends with exit code 1 if it was resumed meanwhile, or the time is up."""
    told = ""
    deadline = time.monotonic() + wait_s
    with messages().status("Waiting for the orchestrator …") as status:
        while True:
            words, done = _progress(decided, client.pools())
            if done is None and time.monotonic() > deadline:
                words, done = f"Not drained within {wait_s:.0f} s; it goes on. {words}", False
            if words != told:
                told = words
                status.update(words)
                if not messages().is_terminal or done is not None:
                    say(words)
            if done is not None:
                break
            time.sleep(POLL_S)
    if not done:
        raise click.exceptions.Exit(1)


def _progress(decided: DecidedPool, pools: list[Pool]) -> tuple[str, bool | None]:
    """Where the draining of a pool stands, in words, and whether it is done; None while it goes on."""
    found = next((each for each in pools if each["pool"] == decided["pool"]), None)
    if found is None or found["decided_at_position"] < (decided["position"] or 0):
        return "The orchestrator has not heard of it yet.", None
    if found["heard_s_ago"] > SILENCE_S:
        return "The orchestrator says nothing any more. See `palio ops status`.", None
    if found["state"] != "drained":
        return f"It was decided otherwise meanwhile: {decided['pool']} is {found['state']}.", False
    if not found["requested"] and not found["under_way"]:
        return f"Nothing is under way; {found['waiting']} jobs wait.", True
    if not found["trainers"]:
        return (
            f"No trainer lives; {found['requested'] + found['under_way']} requests come back from the next one that starts.",
            True,
        )
    return f"{found['under_way']} jobs under way and {found['requested']} requested on {found['trainers']} trainers", None
