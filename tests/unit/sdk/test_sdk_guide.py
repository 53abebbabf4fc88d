"""docs/guide/kits.md: its commands exist, and its code is right."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from palio import kit as kits
from palio.cli import main
from palio.kit_check import findings
from palio.trial import Trial

GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "guide" / "kits.md").read_text()
#: In blocks of commands, and between backticks.
COMMANDS = sorted(
    {*re.findall(r"^    (palio .*)$", GUIDE, re.MULTILINE), *re.findall(r"`(palio (?!appoint)\w[^`…]* [^`]*)`", GUIDE)}
)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_guide_takes_what_is_said_there(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "palio" / "kits"
    for name in ("rainfall", "titanic", "titanic-data"):
        # The guide names them from within rainfall too.
        for folder in (home, home.parent):
            (folder / name).mkdir(parents=True)
    monkeypatch.chdir(home)
    # A name, for the command that asks for one.
    monkeypatch.setattr("sys.stdin", io.StringIO("maria\n"))
    _, *words = shlex.split(line, comments=True)
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    command.make_context(command.name, words, parent=context)


def test_the_guide_has_commands_and_code() -> None:
    assert len(COMMANDS) > 20
    assert len(_blocks()) == 3


def test_the_metric_and_the_workflow_of_the_guide_make_a_kit_without_a_fault(tmp_path: Path) -> None:
    kit = tmp_path / "rainfall"
    CliRunner().invoke(main, ["kit", "new", str(kit)])
    metric, workflow, starter = _blocks()
    problem = kit / "problem.py"
    problem.write_text(f"{problem.read_text()}\n\n{metric}\n\n{workflow}")
    (kit / "submissions" / "starting_kit" / "forecaster.py").write_text(starter)
    assert list(findings(kit)) == []
    said: list[str] = []
    Trial(kits.load(kit), kit / "submissions" / "starting_kit", lambda event, **_: said.append(event)).run()
    assert said[-1] == "done"


def _blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
