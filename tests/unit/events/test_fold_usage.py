"""Figures of a fold that JSON cannot say are no figures: they would be `null` when they are read back."""

import pytest
from pydantic import ValidationError

from shared.events import FoldUsage, PartUsage


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
@pytest.mark.parametrize("name", ["train_time_s", "valid_time_s", "test_time_s"])
def test_a_fold_took_a_time_that_can_be_told(name: str, seconds: float) -> None:
    times = {"train_time_s": 0.0, "valid_time_s": 0.0, "test_time_s": 0.0, "peak_memory_bytes": 0}
    with pytest.raises(ValidationError, match=name):
        FoldUsage.model_validate({**times, name: seconds})


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
@pytest.mark.parametrize("name", ["wall_time_s", "cpu_time_s"])
def test_so_did_its_parts(name: str, seconds: float) -> None:
    with pytest.raises(ValidationError, match=name):
        PartUsage.model_validate({"wall_time_s": 0.0, "cpu_time_s": 0.0, "peak_memory_bytes": 0, name: seconds})
