"""`palio kit`: for organisers, before a kit is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from palio.cli.session import json_option
from palio.contract_errors import KitError
from palio.kit_folder import STARTER, Target
from palio.kit_process import events, started
from palio.kit_template import FORMS, write_kit
from palio.packing import PREPARE
from palio.terminal import print_json, say
from palio.trial_choices import Choices
from palio.trial_process import run_trial


@click.group()
def kit() -> None:
    """Kits: start one, and look over it before you publish it. For organisers."""


@kit.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--workflow", type=click.Choice(list(FORMS)), default="classifier", show_default=True, help="What submissions are.")
@click.option("--title", help="Of the problem. [default: made from the folder's name]")
def new(path: Path, *, workflow: str, title: str | None) -> None:
    """Start a kit in PATH, which must be new or empty: a small one that runs, to be changed piece by piece.

    Its data are made up. The folder's name becomes the problem's id.

    \b
    Examples:
      palio kit new rainfall
      palio kit new rainfall --workflow feature-extractor-regressor --title "Rain in Siena"
    """
    folder = path.resolve()
    for file in write_kit(folder, FORMS[workflow], title):
        say(f"  {file}", "dim")
    subprocess.run([sys.executable, PREPARE], cwd=folder, check=True)
    say("  data/", "dim")
    say(f"Try it: palio kit check {path}\n        palio test {path}")
    say(f"Make it yours: {PREPARE} writes the data, problem.py says what is predicted and how it is scored.")


@kit.command()
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option("--no-starter", is_flag=True, help="Do not train the starting kit's submission.")
@json_option
def check(path: Path, *, no_starter: bool, as_json: bool) -> None:
    """Say what the kit in PATH lacks or does wrong: its contract, data, folds, metrics and starter.

    Runs the kit's code, and then its starter on the data that are there, in the kit's .venv if it has one. Exit code 1 if anything is
    wrong; advice alone is no error.

    \b
    Examples:
      palio kit check
      palio kit check kits/iris --no-starter
    """
    found = _findings(path.resolve())
    if not no_starter and not _is_wrong(found):
        say("Training the starter.")
        found += _of_starter(path.resolve())
    if as_json:
        print_json({"kit": str(path), "findings": found})
    else:
        for each in found:
            say(f"{each['level']}: {each['words']}", "bold red" if each["level"] == "wrong" else "yellow")
        if not found:
            say("Nothing is wrong with it. Publish it: palio problem publish", "green")
    if _is_wrong(found):
        raise click.exceptions.Exit(1)


def _is_wrong(found: list[dict[str, Any]]) -> bool:
    return any(each["level"] == "wrong" for each in found)


def _findings(path: Path) -> list[dict[str, Any]]:
    found, is_done = [], False
    with started(path, "kit_check", path) as process:
        for event in events(process, last={"done"}):
            kind = event.pop("event")
            is_done = is_done or kind == "done"
            if kind == "finding":
                found.append(event)
    if not is_done:
        raise KitError("The check was ended by the kit's own code, which must not end the process that it runs in.")
    return found


def _of_starter(path: Path) -> list[dict[str, Any]]:
    result = run_trial(Target(path, path / "submissions" / STARTER), Choices(quick=True))
    if result.succeeded:
        return []
    words = f"The starter fails, {result.outcome}: {result.reason}"
    return [{"level": "wrong", "words": words + (f"\n{result.traceback.rstrip()}" if result.traceback else "")}]
