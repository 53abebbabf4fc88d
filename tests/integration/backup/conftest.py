"""A platform with a history whose objects are all there, an empty database beside it, and the two commands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from shared.artefacts import Store
from tests.support.backups import Made, Place, StoredHistory, operator, played
from tests.support.databases import copied_database
from tests.support.servers import Servers


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> StoredHistory:
    """One scored submission, one that failed, one that waits; a mail is sent, another waits."""
    return played(StoredHistory(engine_of, store_of))


@pytest.fixture(scope="module")
def made(servers: Servers, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with ExitStack() as stack:
        database, empty = (stack.enter_context(copied_database(servers, template_database)) for _ in range(2))

        def engine(url: str) -> Engine:
            found = create_engine(url)
            stack.callback(found.dispose)
            return found

        engines = cache(lambda service: engine(servers.database_url(service, database)))
        history = played(StoredHistory(engines, lambda key: Store(servers.store_settings(key))))
        folder = tmp_path_factory.mktemp("made") / "backups"
        assert operator(servers, database).run("backup", folder).exit_code == 0
        here, elsewhere = operator(servers, database), operator(servers, empty)
        owner, owner_elsewhere = (engine(servers.owner_url(each)) for each in (database, empty))
        yield Made(here, owner, history, folder, elsewhere, owner_elsewhere)


@pytest.fixture
def platform_here(servers: Servers, database: str) -> Place:
    """Where the history is."""
    return operator(servers, database)


@pytest.fixture
def second_database(servers: Servers, template_database: str) -> Iterator[str]:
    """Name of a second database, migrated and empty."""
    with copied_database(servers, template_database) as name:
        yield name


@pytest.fixture
def elsewhere(servers: Servers, second_database: str) -> Place:
    """Where it is restored."""
    return operator(servers, second_database)


@pytest.fixture
def owner_elsewhere(servers: Servers, second_database: str, make_test_engine: Callable[[str], Engine]) -> Engine:
    """The second database as its owner."""
    return make_test_engine(servers.owner_url(second_database))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For backups; nothing is there."""
    return tmp_path / "backups of a platform"
