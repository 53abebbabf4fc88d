"""What the measurement of reports says is what the orchestrator takes."""

from benchmarks.throughput import N_FOLDS, reports_of, request
from shared.bus.reports import REPORT


def test_a_run_that_goes_well_is_reported_as_a_trainer_does() -> None:
    reports = reports_of(request(1))
    assert [REPORT.validate_json(each.model_dump_json()) for each in reports] == reports
    assert [each.kind for each in reports] == ["started"] + ["fold-trained"] * N_FOLDS
