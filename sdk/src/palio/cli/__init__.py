"""The command `palio`: finds its subcommands, and is the one place where errors become words and an exit code.

Subcommands are imported when used. Other distributions add theirs by entry points of the group `palio.commands`, each a
click command.
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from palio import __version__

#: Subcommand to the module and the name that it is found under.
COMMANDS = {
    "register": "palio.cli.account:register",
    "login": "palio.cli.account:login",
    "logout": "palio.cli.account:logout",
    "join": "palio.cli.start:join",
    "start": "palio.cli.start:start",
    "test": "palio.cli.trial:test",
    "show": "palio.cli.show:show",
    "blend": "palio.cli.blend:blend",
    "submit": "palio.cli.submission:submit",
    "status": "palio.cli.submission:status",
    "logs": "palio.cli.submission:logs",
    "withdraw": "palio.cli.submission:withdraw",
    "credit": "palio.cli.credit:credit",
    "runs": "palio.cli.runs:runs",
    "reproduce": "palio.cli.reproduce:reproduce",
    "board": "palio.cli.board:board",
    "why": "palio.cli.why:why",
    "grades": "palio.cli.grades:grades",
    "kit": "palio.cli.kit:kit",
    "problem": "palio.cli.organising:problem",
    "challenge": "palio.cli.organising:challenge",
    "pool": "palio.cli.pools:pool",
}
PLUGINS = "palio.commands"


class Commands(click.Group):
    """Subcommands in the order in which one meets them, then those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names, for `--help`."""
        return [*COMMANDS, *sorted(plugin.name for plugin in plugins() if plugin.name not in COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a subcommand; a plugin that cannot be imported is named and left out."""
        if cmd_name in COMMANDS:
            module, _, name = COMMANDS[cmd_name].partition(":")
            return _command(getattr(importlib.import_module(module), name))
        for plugin in plugins():
            if plugin.name == cmd_name:
                try:
                    return _command(plugin.load())
                except Exception as error:  # noqa: BLE001 - someone else's code; the other commands must go on working
                    click.echo(f"The command {cmd_name} ({plugin.value}) cannot be loaded: {error}", err=True)
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; what it raises becomes words and exit code 1."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            from palio.cli.failures import explain  # noqa: PLC0415 - only now are the errors' modules needed

            if not explain(error):
                raise
            ctx.exit(1)


def plugins() -> list[EntryPoint]:
    """The entry points of other distributions' subcommands."""
    if sys.version_info >= (3, 10):
        return list(entry_points(group=PLUGINS))
    return list(entry_points().get(PLUGINS, []))


def _command(found: Any) -> click.Command:
    if not isinstance(found, click.Command):
        raise TypeError(f"{found!r} is no click command")
    return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="palio")
def main() -> None:
    """Data challenges with code submissions.

    \b
    From nothing to a score:
      palio register
      palio start iris
      palio test iris
      palio submit iris --watch
    """
