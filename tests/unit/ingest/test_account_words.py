"""Names, addresses and passwords that are no text: refused before a database or a hash sees them."""

import pytest
from sqlalchemy import Engine, create_engine

from services.ingest.accounts import register
from shared.http import Problem


@pytest.fixture
def engine() -> Engine:
    """One that reaches nothing: these are refused before."""
    return create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/nothing")


@pytest.mark.parametrize(
    "email", ["a\0b@example.org", "a\x1bb@example.org", "a\u200bb@example.org", "\ud800@example.org", "a@" + "b." * 200 + "org"]
)
def test_an_address_of_characters_that_do_not_show_or_without_end_is_refused(engine: Engine, email: str) -> None:
    with pytest.raises(Problem) as raised:
        register(engine, "ada", email, "long enough")
    assert raised.value.code == "bad-email"


@pytest.mark.parametrize("password", ["long enough \ud800", "long enough \0"])
def test_a_password_that_can_not_be_written_is_refused(engine: Engine, password: str) -> None:
    with pytest.raises(Problem) as raised:
        register(engine, "ada", "ada@example.org", password)
    assert raised.value.code == "bad-password"
