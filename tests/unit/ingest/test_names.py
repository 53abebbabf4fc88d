"""Names that people choose."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.names import MAX_NAME_LENGTH, clean_name, name_key
from shared.http import Problem


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "<svg/onload=alert(1)>",
        "a\x00b",
        "a\nb",
        "a\u202eb",
        "a\u200bb",
        "../etc",
        "a/b",
        ".hidden",
        "x" * 81,
        "\ud800",
    ],
)
def test_a_name_with_markup_control_characters_or_paths_is_refused(name: str) -> None:
    with pytest.raises(Problem):
        clean_name(name, "name")


@pytest.mark.parametrize("name", ["ada", "Ada Lovelace", "naïve forêt", "日本", "model_2.1 (final)"])
def test_ordinary_names_are_kept(name: str) -> None:
    assert clean_name(f"  {name} ", "name") == name


@given(st.text(max_size=MAX_NAME_LENGTH))
def test_a_name_that_is_kept_shows_as_it_is(name: str) -> None:
    try:
        cleaned = clean_name(name, "name")
    except Problem:
        return
    assert all(unicodedata.category(character)[0] != "C" for character in cleaned)
    assert clean_name(cleaned, "name") == cleaned


def test_names_that_look_the_same_are_the_same() -> None:
    assert name_key("Ada  LOVELACE") == name_key("ada lovelace") == name_key("ａｄａ lovelace")
