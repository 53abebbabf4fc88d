"""Reports with numbers and words that no read model could hold are refused before they become facts."""

import json
from uuid import uuid4

import pytest
from pydantic import ValidationError

from shared.bus.reports import REPORT

ABOUT = {"run_id": str(uuid4()), "submission_id": str(uuid4()), "attempt": 1, "execution_id": str(uuid4())}
USAGE = {"train_time_s": 1.0, "valid_time_s": 0.0, "test_time_s": 0.0, "peak_memory_bytes": 1}


def trained(usage: str) -> str:
    report = {**ABOUT, "kind": "fold-trained", "fold": 0, "predictions_digest": "a" * 64, "log_digest": "b" * 64, "usage": 0}
    return json.dumps(report).replace('"usage": 0', f'"usage": {usage}')


def failed(reason: str) -> str:
    nothing = {"fold": None, "traceback_digest": None, "log_digest": None}
    return json.dumps({**ABOUT, **nothing, "kind": "failed", "outcome": "system_error", "reason": reason})


def test_honest_reports_are_read() -> None:
    REPORT.validate_json(trained(json.dumps(USAGE)))
    REPORT.validate_json(failed("two\nlines, and a \u2014 dash"))


@pytest.mark.parametrize("seconds", ["Infinity", "NaN", "1e400", "1e308", "-1"])
def test_a_time_that_no_fold_takes_is_refused(seconds: str) -> None:
    with pytest.raises(ValidationError):
        REPORT.validate_json(trained(json.dumps(USAGE).replace("1.0", seconds)))


def test_a_memory_that_no_machine_has_is_refused() -> None:
    with pytest.raises(ValidationError):
        REPORT.validate_json(trained(json.dumps({**USAGE, "peak_memory_bytes": 10**30})))


@pytest.mark.parametrize("part", ["training", "prediction"])
@pytest.mark.parametrize(("figure", "value"), [("wall_time_s", 1e300), ("cpu_time_s", -1.0), ("peak_memory_bytes", 10**30)])
def test_figures_of_a_part_are_bounded_too(part: str, figure: str, value: float) -> None:
    honest = {"wall_time_s": 1.0, "cpu_time_s": 1.0, "peak_memory_bytes": 1}
    REPORT.validate_json(trained(json.dumps({**USAGE, part: honest})))
    with pytest.raises(ValidationError):
        REPORT.validate_json(trained(json.dumps({**USAGE, part: {**honest, figure: value}})))


@pytest.mark.parametrize("words", ["a\0b", "x" * 300])
def test_conditions_that_no_machine_has_are_refused(words: str) -> None:
    conditions = {"seed": 0, "hash_seed": 0, "threads": 1, "python_version": "3.11.7", "platform": "Linux"}
    started = {**ABOUT, "kind": "started", "shared_fold": None, "trainer": "t"}
    REPORT.validate_python({**started, "conditions": conditions})
    with pytest.raises(ValidationError):
        REPORT.validate_python({**started, "conditions": {**conditions, "platform": words}})


def test_a_reason_with_a_nul_is_refused() -> None:
    with pytest.raises(ValidationError):
        REPORT.validate_json(failed("a\0b"))
