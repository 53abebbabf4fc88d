"""Which Python a kit gets, of those that this host has."""

import pytest

from shared.execution.environments.interpreters import MissingInterpreterError, interpreters_here, named_here
from shared.execution.environments.pythons import python_for

OWN = interpreters_here()[0]
MINOR = int(OWN.version.removeprefix("3."))


@pytest.mark.parametrize(
    "allowed",
    [
        None,
        "==3.*",
        ">=3.8",
        f"=={OWN.version}.*",
        f"=={OWN.version}",
        # Another release of the same version: which ones a host has is not the kit's business.
        f"=={OWN.version}.99",
        f"=={OWN.version}.0.*",
        f"~={OWN.version}.1",
        f">=3.6,<3.{MINOR + 1}",
        f">=3.8,!=3.{MINOR - 1}.*",
    ],
)
def test_a_kit_gets_the_platforms_own_python_where_that_fits(allowed: str | None) -> None:
    assert python_for(None, allowed) == OWN


def test_of_other_pythons_the_newest_that_fits_is_taken() -> None:
    for interpreter in interpreters_here():
        assert python_for(None, f"=={interpreter.version}.*") == interpreter
        assert python_for(interpreter.version, "==2.7") == interpreter
    others = [interpreter for interpreter in interpreters_here() if interpreter != OWN]
    newest = max(others, key=lambda each: int(each.version.removeprefix("3.")), default=None)
    if newest:
        assert python_for(None, f"!={OWN.version}.*,>=3.8") == newest


@pytest.mark.parametrize("allowed", ["==3.7.*", ">=3.99", "<3", "==2.7", ">=nonsense"])
def test_a_python_that_no_host_has_is_named_with_those_that_are_there(allowed: str) -> None:
    with pytest.raises(MissingInterpreterError) as failure:
        python_for(None, allowed)
    assert allowed in str(failure.value)
    assert f"there is {named_here()}" in str(failure.value)
    assert OWN.version in str(failure.value)


@pytest.mark.parametrize("asked", ["3.7", "3.99"])
def test_an_organisers_choice_that_is_not_there_is_named_too(asked: str) -> None:
    with pytest.raises(MissingInterpreterError, match=rf"{asked}.*there is .*{OWN.version}"):
        python_for(asked, None)
