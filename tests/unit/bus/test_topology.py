"""What the broker is told: names that could be taken for other names are refused."""

import re

import pytest

from shared.bus.topology import DEAD_LETTERS, checked_pool_name, definitions, users


@pytest.mark.parametrize("name", ["default", "gpu", "a-1", "0"])
def test_ordinary_names_may_be_a_pools(name: str) -> None:
    assert checked_pool_name(name) == name


@pytest.mark.parametrize("name", ["", "a.control", "a.*", "#", "A", "a/b", "a b", "-a", "ä", "a\n", "a" * 64, "orchestrator"])
def test_names_that_could_reach_another_pools_queues_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="pool"):
        definitions({}, [name])


def test_only_the_orchestrator_and_the_operator_read_dead_letters() -> None:
    pools = ["default", "gpu"]
    permissions = definitions(dict.fromkeys(users(pools), "secret"), pools)["permissions"]
    assert {each["user"] for each in permissions if re.search(each["read"], DEAD_LETTERS)} == {"operator", "orchestrator"}


def test_nobody_but_the_operator_may_speak_in_anothers_name() -> None:
    defined = definitions(dict.fromkeys(users(["default"]), "secret"), ["default"])["users"]
    assert [user["name"] for user in defined if user["tags"]] == ["operator"]
