"""`palio show`: a board of what trials have kept."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from palio.cli import main
from palio.client.answers import Metric
from palio.local_board import Entry, LocalBoard
from palio.training_output import TrainingOutput, write_table

ACC = Metric(name="acc", precision=2, is_lower_the_better=False)
NLL = Metric(name="nll", precision=3, is_lower_the_better=True)
#: Submission to its bagged (acc, nll) on the validation rows.
SCORES = {"poor": (0.5, 0.1), "good": (0.9, 0.2), "broken": (math.nan, 0.05)}


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A kit whose submissions have kept scores, and one that has not."""
    folder = tmp_path / "flowers"
    folder.mkdir()
    (folder / "problem.py").write_text("raise RuntimeError('nobody needs to run this')\n")
    for name, (acc, nll) in SCORES.items():
        _keep(TrainingOutput(folder / "submissions" / name), acc, nll)
    (folder / "submissions" / "untried").mkdir()
    return folder


def _keep(output: TrainingOutput, acc: float, nll: float, n_folds: int = 2) -> None:
    output.begin(n_folds, [ACC, NLL])
    for number in range(n_folds):
        lines = [[step, repr(acc - 0.1 * number), repr(nll), "0.25"] for step in ("train", "valid", "test")]
        write_table(output.fold(number) / "scores.csv", ["step", "acc", "nll", "time"], lines)
    both = {step: [acc] * n_folds for step in ("valid", "test")}
    output.write_bagged({"acc": both, "nll": {step: [nll] * n_folds for step in both}})


def _show(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["show", *map(str, arguments)])


def _order(*arguments: object) -> list[str]:
    return [line[0] for line in csv.reader(io.StringIO(_show(*arguments, "--csv").stdout))][1:]


def test_the_best_by_the_official_metric_is_first_and_what_has_no_score_last(kit: Path) -> None:
    assert _order(kit) == ["good", "poor", "broken"]


def test_the_first_metric_that_is_asked_for_ranks(kit: Path) -> None:
    assert _order(kit, "--metric", "nll", "--metric", "acc") == ["broken", "poor", "good"]


def test_a_table_has_a_line_for_each_submission_and_the_precision_of_each_metric(kit: Path) -> None:
    heading, columns, *lines = _show(kit).stdout.splitlines()
    assert heading.startswith("flowers, bagged")
    assert columns.split("  ")[0] == "submission"
    assert lines[0].split() == ["good", "0.90", "0.90", "0.200", "0.200", "0.500", "0.500", "0.500"]
    assert lines[2].split()[1] == "-"


def test_means_come_with_their_deviation_on_all_parts(kit: Path) -> None:
    text = _show(kit, "--mean", "--metric", "acc", "--precision", 2).stdout
    assert "acc train" in text
    assert text.count("0.85 ± 0.050") == 3
    assert "acc test" not in _show(kit, "--mean", "--step", "valid").stdout


def test_csv_has_all_digits(kit: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(_show(kit, "--csv", "--step", "valid").stdout)))
    assert [line["nll valid"] for line in lines] == ["0.2", "0.1", "0.05"]
    assert list(lines[0]) == ["submission", "acc valid", "nll valid"]


def test_json_has_bag_mean_deviation_and_times(kit: Path) -> None:
    found = json.loads(_show(kit, "--json").stdout)
    best = found["submissions"][0]
    assert (best["name"], best["n_folds"], best["bagged"]["acc"]) == ("good", 2, {"valid": 0.9, "test": 0.9})
    assert math.isclose(best["mean"]["acc"]["train"], 0.85)
    assert math.isclose(best["std"]["acc"]["train"], 0.05)
    assert best["train_time_s"] == 0.5
    assert found["submissions"][2]["bagged"].get("acc", {}) == {}


def test_outputs_with_a_data_label_are_a_board_of_their_own(kit: Path) -> None:
    _keep(TrainingOutput(kit / "submissions" / "poor", "small"), 0.1, 0.2, n_folds=1)
    assert _order(kit, "--data-label", "small") == ["poor"]
    assert _order(kit) == ["good", "poor", "broken"]


def test_a_damaged_output_is_named_and_left_out(kit: Path) -> None:
    (kit / "submissions" / "poor" / "training_output" / "bagged_scores.csv").write_text("step,acc\nvalid\n")
    result = _show(kit)
    assert result.exit_code == 0
    assert "poor is left out" in result.stderr
    assert "poor" not in result.stdout


def test_what_ramp_test_kept_is_read_with_the_metrics_of_the_kit(kit: Path, iris: Path) -> None:
    for output in (kit / "submissions").glob("*/training_output/metrics.json"):
        output.unlink()
    (kit / "problem.py").write_bytes((iris / "problem.py").read_bytes())
    assert _order(kit, "--metric", "nll") == ["broken", "poor", "good"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric", "auc"], "There is no metric auc: the kit has acc, nll."),
        (["--data-label", "none"], "palio test"),
        (["--data-label", "../.."], "cannot be a data label"),
        (["--step", "train"], "add --mean"),
        (["--csv", "--json"], "choose one"),
        (["--precision", "99"], "--precision"),
    ],
)
def test_what_cannot_be_shown_is_told(kit: Path, arguments: list[str], words: str) -> None:
    result = _show(kit, *arguments)
    assert result.exit_code != 0
    assert words in result.stderr
    assert result.stdout == ""


def test_a_folder_that_is_no_kit_is_told(tmp_path: Path) -> None:
    assert "has no problem.py" in _show(tmp_path).stderr


@given(scores=st.lists(st.none() | st.floats(), max_size=8), is_lower_the_better=st.booleans())
def test_ranks_follow_the_scores_in_either_direction(scores: list[float | None], *, is_lower_the_better: bool) -> None:
    metric = Metric(name="m", precision=2, is_lower_the_better=is_lower_the_better)
    entries = [Entry(f"{number}", {"valid": {"m": score}}, []) for number, score in enumerate(scores)]
    ranked = [entry.score("valid", "m", mean=False) for entry in LocalBoard(entries, [metric], ("valid",)).ranked()]
    known = [score for score in ranked if score is not None and not math.isnan(score)]
    assert known == sorted(known, reverse=not is_lower_the_better)
    assert ranked[: len(known)] == known
