"""The figures of a sandbox, whatever order its moments come in."""

from shared.execution.sandbox import Limits, SandboxSpec
from shared.execution.sandbox.metering import Meter

SPEC = SandboxSpec(
    argv=("/usr/bin/true",),
    mounts=(),
    limits=Limits(wall_time_s=1, memory_bytes=1, file_bytes=1, output_bytes=1, log_bytes=1, processes=1),
)


def test_results_that_are_read_after_the_end_make_no_part_of_less_than_no_time() -> None:
    meter = Meter(SPEC, None)
    meter.begin(10.0)
    meter.divide(12.5)
    training, prediction = meter.finished(12.4)
    assert (training.wall_time_s, prediction.wall_time_s) == (2.5, 0.0)
