"""Subcommands of other distributions, found by their entry points."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from palio.cli import main

MODULE = """
import click

@click.command()
def hello():
    "Say hello."
    click.echo("hello from elsewhere")

no_command = 3
"""
ENTRY_POINTS = """
[palio.commands]
hello = plugin_of_a_test:hello
wrong = plugin_of_a_test:no_command
broken = plugin_of_a_test_that_is_missing:hello
board = plugin_of_a_test:hello
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with commands, good and bad."""
    (tmp_path / "plugin_of_a_test.py").write_text(MODULE)
    metadata = tmp_path / "plugin_of_a_test-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-a-test\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_command_of_another_distribution_is_listed_and_runs() -> None:
    assert "hello from elsewhere" in CliRunner().invoke(main, ["hello"]).output
    assert "Say hello." in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize("name", ["wrong", "broken"])
def test_a_command_that_cannot_be_loaded_is_named_and_spares_the_others(name: str) -> None:
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 2
    assert f"The command {name} (plugin_of_a_test" in result.output
    assert CliRunner().invoke(main, ["hello"]).exit_code == 0


def test_no_distribution_takes_the_place_of_an_own_command() -> None:
    assert "leaderboard" in CliRunner().invoke(main, ["board", "--help"]).output
