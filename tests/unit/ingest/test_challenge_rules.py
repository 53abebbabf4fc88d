"""What an organiser may say of a challenge: only what every reader can hold and show."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from services.ingest.challenges import NewChallenge


def rules(**more: Any) -> NewChallenge:
    return NewChallenge.model_validate({"id": "iris", "title": "Iris & friends", "problem": "iris", **more})


@pytest.mark.parametrize("field", ["opens_at", "code_opens_at", "closes_at"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", 1e300])
def test_a_time_that_no_clock_or_database_tells_is_refused(field: str, moment: object) -> None:
    with pytest.raises(ValidationError):
        rules(**{field: moment})


def test_times_are_kept_in_utc_as_they_are_told() -> None:
    opens_at = rules(opens_at="2026-11-22T12:00:00+02:00").opens_at
    assert opens_at == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert f"{opens_at:%H:%M}" == "10:00"


@pytest.mark.parametrize("title", ["a\0b", "two\nlines", "a\r\nBcc: eve@example.org", "\u202eabc", "\ud800", "   "])
def test_a_title_is_one_line_of_characters_that_show(title: str) -> None:
    with pytest.raises(ValidationError):
        rules(title=title)


@pytest.mark.parametrize(
    "limits",
    [
        {"time_limit_s": float("nan")},
        {"time_limit_s": float("inf")},
        {"memory_limit_bytes": 10**30},
        {"output_limit_bytes": 10**30},
        {"log_limit_bytes": 2**40},
        {"max_processes": 10**12},
    ],
)
def test_limits_that_no_machine_has_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        rules(limits=limits)


def test_limits_default_to_those_of_the_event() -> None:
    assert rules().limits.model_dump() == rules(limits={"time_limit_s": 300}).limits.model_dump()
