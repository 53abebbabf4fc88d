"""A fold is trained under the same conditions each time, and those are the ones that are recorded."""

import json
import platform
import random
from pathlib import Path

import numpy as np
import pytest

from shared.events import Outcome
from shared.execution.conditions import run_conditions
from shared.execution.sandbox import Bubblewrap
from shared.execution.standby import StandbyStations
from shared.execution.stations import ColdStations, Environment, Stations
from shared.execution.training import train_station
from tests.integration.execution.layout import FOLD_LIMITS, Laid, lay_out, submission_of
from tests.integration.execution.small_kits import classifier, tiny_kit
from tests.support.waiting import wait_until

#: Says what it depends on, and predicts at random.
BY_CHANCE = classifier(
    head="import json, os, platform, random\nimport numpy as np\n",
    fit=(
        "print(json.dumps({'random': random.random(), 'numpy': np.random.rand(), 'hash': hash('palio'),"
        " 'python': platform.python_version(), 'machine': platform.machine(),"
        " 'threads': {name: value for name, value in os.environ.items() if name.endswith('_NUM_THREADS')}}))"
    ),
    predict="return np.random.rand(len(X), 2)",
)


@pytest.fixture
def laid(sandbox: Bubblewrap, environment: Environment, tmp_path: Path) -> Laid:
    return lay_out(sandbox, environment, tiny_kit(tmp_path), tmp_path)


def test_chance_falls_the_same_way_each_time_and_the_conditions_say_why(
    stations: ColdStations, laid: Laid, environment: Environment, tmp_path: Path
) -> None:
    submission = submission_of(tmp_path, {"classifier.py": BY_CHANCE})

    def trained(stations: Stations) -> tuple[bytes, bytes]:
        result = laid.train(stations, submission)
        assert result.outcome is Outcome.TRAINED
        assert result.predictions
        return result.log, result.predictions.read_bytes()

    first = trained(stations)
    assert trained(stations) == first
    with StandbyStations(stations, 1) as standby:
        standby.expect(train_station(laid.problem, FOLD_LIMITS))
        wait_until(lambda: standby._waiting and standby._waiting[0].station.running.wait_until_ready(0), "a station to be ready")
        assert trained(standby) == first

    conditions = run_conditions(environment.interpreter)
    said = json.loads(first[0])
    assert said["random"] == random.Random(conditions.seed).random()
    assert said["numpy"] == np.random.RandomState(conditions.seed).rand()
    assert said["python"] == conditions.python_version
    assert set(said["threads"].values()) == {str(conditions.threads)}
    assert conditions.platform.startswith(f"Linux {platform.machine()}, ")
