from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from palio.client.answers import Submission
from palio.score_table import number, print_scores, seconds, spread
from palio.terminal import print_json, printable

SUBMISSION = Submission(
    metrics=[
        {"name": "acc", "precision": 2, "is_lower_the_better": False},
        {"name": "[red]nll", "precision": 3, "is_lower_the_better": True},
    ],
    scores={
        "folds": [
            {"fold": 0, "scores": {"acc": {"train": 1.0, "valid": 0.75, "test": None}, "[red]nll": {"train": 0.1, "valid": 0.5}}},
            {"fold": 1, "scores": {"acc": {"train": 1.0, "valid": 0.25, "test": None}, "[red]nll": {"train": 0.1, "valid": 0.7}}},
        ],
        "bagged": {"acc": {"valid": 0.5, "test": None}, "[red]nll": {"valid": 0.6, "test": None}},
    },
)


def _printed(submission: Submission, width: int = 120) -> str:
    stream = io.StringIO()
    print_scores(Console(file=stream, width=width), submission)
    return stream.getvalue()


def test_hidden_test_scores_and_unknown_times_have_no_place_in_the_tables() -> None:
    text = _printed(SUBMISSION)
    assert "test" not in text
    assert "time" not in text


def test_means_come_with_their_deviation_and_metrics_with_their_precision() -> None:
    text = _printed(SUBMISSION)
    assert "0.50 ± 0.250" in text
    assert "0.600 ± 0.1000" in text
    assert "[red]nll" in text


def test_a_table_that_is_too_wide_is_turned() -> None:
    names = [f"metric {index}" for index in range(6)]
    wide = Submission(
        metrics=[{"name": name, "precision": 2, "is_lower_the_better": False} for name in names],
        scores={
            "folds": [{"fold": 0, "scores": {name: {"train": 0.25, "valid": 0.5} for name in names}}],
            "bagged": {name: {"valid": 0.5} for name in names},
        },
    )
    assert re.search(r"score +metric 0 +metric 1", _printed(wide, width=120))
    turned = _printed(wide, width=60)
    assert re.search(r"score +train +valid\n", turned)
    assert re.search(r"metric 5 +0.25 ± 0.000 +0.50 ± 0.000\n", turned)


def test_no_score_is_cut_however_narrow_the_terminal() -> None:
    text = _printed(SUBMISSION, width=24)
    assert "…" not in text
    assert "0.1000" in text


def test_an_unscored_submission_has_no_tables() -> None:
    assert _printed(Submission(metrics=[], scores=None)) == ""


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_number_shows_so_many_places_and_never_a_negative_zero(value: float, precision: int) -> None:
    shown = number(value, precision)
    assert len(shown.partition(".")[2]) == precision
    assert abs(float(shown) - value) <= 0.5 * 10**-precision + 1e-9
    assert float(shown) != 0 or not shown.startswith("-")


def test_what_is_no_number_is_a_dash() -> None:
    assert number(None, 2) == number(float("nan"), 2) == spread([0.5, None], 2) == spread([], 2) == seconds(None) == "-"


@given(st.text())
def test_nothing_foreign_controls_the_terminal(text: str) -> None:
    assert not any(character in printable(text) for character in "\x1b\x07\x08\r\x9b\u202e")


def test_line_ends_and_tabs_of_foreign_text_stay() -> None:
    assert printable("a\r\n\tb\x1b[2Jc") == "a\n\tb[2Jc"


def test_infinities_become_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"scores": [float("inf"), float("nan"), 0.5]})
    assert capsys.readouterr().out.split() == ["{", '"scores":', "[", "null,", "null,", "0.5", "]", "}"]
