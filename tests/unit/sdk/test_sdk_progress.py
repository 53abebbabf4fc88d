"""How far something is, beside a bar in a terminal and as lines elsewhere."""

from __future__ import annotations

import pytest

from palio.progress import progress_told


def test_what_is_being_done_is_text_beside_a_bar_whatever_it_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # What rich takes for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_told("waiting", "folds") as tell:
        tell("queued [/b] \x1b]0;owned", 0, None)
    said = capsys.readouterr().err
    assert "queued [/b]" in said
    assert "\x1b]0;" not in said


def test_where_there_is_no_terminal_only_what_changed_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_told("waiting", "folds") as tell:
        for done in (0, 0, 1):
            tell("training", done, 2)
        tell("trained", 2, None)
    assert capsys.readouterr().err == "training: 0 of 2 folds\ntraining: 1 of 2 folds\ntrained\n"
