"""What numerical code does with processes and shared memory is no reason to end it, whoever watches."""

from dataclasses import replace

import pytest

from shared.execution.sandbox import Bubblewrap, EndedBy, SandboxSpec
from shared.execution.stations import Environment
from tests.integration.execution.programs import LIMITS


@pytest.mark.parametrize("sandbox", ["watched"], indirect=True)
def test_numerical_code_of_many_processes_is_not_charged_for_what_it_does_not_hold(
    sandbox: Bubblewrap, environment: Environment
) -> None:
    code = """
import multiprocessing, multiprocessing.shared_memory, os
import warnings
import numpy, pandas
warnings.simplefilter("ignore")
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier
from sklearn.datasets import make_classification
X, y = make_classification(2000, 20, random_state=0)
forest = RandomForestClassifier(10, n_jobs=2, random_state=0).fit(X, y)
large = numpy.zeros(4 << 20)
with Parallel(n_jobs=2) as parallel:
    print(sum(parallel(delayed(numpy.sum)(large + i) for i in range(6))))
block = multiprocessing.shared_memory.SharedMemory(create=True, size=16 << 20)
with multiprocessing.Manager() as manager, multiprocessing.Pool(2) as pool:
    shared = manager.dict(pool.map(abs, range(3)) and {1: 2})
    print(len(pool.map(numpy.sum, [large] * 4)), shared[1])
block.unlink()
"""
    spec = SandboxSpec(
        argv=("/environment/bin/python", "-c", code),
        mounts=environment.mounts,
        limits=replace(LIMITS, memory_bytes=1 << 30),
    )
    result = sandbox.start(spec).wait()
    assert (result.ended_by, result.exit_code) == (EndedBy.EXIT, 0), result.log
