"""The platform that is hurt: one for all tests here, since a platform that was hurt once must take the next blow as well."""

from collections.abc import Iterator

import pytest

from deploy.local.services import Processes
from tests.crash.world import World, world


@pytest.fixture(scope="session")
def hurt() -> Iterator[World]:
    """It has two trainers and one process of each other service."""
    with world("hurt", Processes(trainers=2)) as found:
        yield found
