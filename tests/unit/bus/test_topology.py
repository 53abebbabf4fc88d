"""What the broker is told: names that could be taken for other names are refused."""

import pytest

from shared.bus.topology import checked_pool_name, definitions


@pytest.mark.parametrize("name", ["default", "gpu", "a-1", "0"])
def test_ordinary_names_may_be_a_pools(name: str) -> None:
    assert checked_pool_name(name) == name


@pytest.mark.parametrize("name", ["", "a.control", "a.*", "#", "A", "a/b", "a b", "-a", "ä", "a\n", "a" * 64, "orchestrator"])
def test_names_that_could_reach_another_pools_queues_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="pool"):
        definitions({}, [name])
