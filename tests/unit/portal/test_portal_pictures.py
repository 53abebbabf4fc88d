"""Plots as pictures."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.pictures import PICTURES
from services.portal.plots import HEIGHT, WIDTH, Mark, Picture, across, number_ticks, thinned, time_ticks, upwards
from tests.unit.portal.test_portal_rendering import HOSTILE, METRIC, TEMPLATES, Tags, challenge

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
START = datetime(2026, 11, 1, tzinfo=UTC)


def points(n: int, name: str = "a") -> dict[str, list[dict[str, Any]]]:
    """Of each kind of plot, as the read API answers."""
    numbered = [
        {"team": f"{name}{number % 12}", "submission": name, "submission_id": UUID(int=number % 12), "score": number / 10}
        for number in range(n)
    ]
    return {
        "scores": [
            {**each, "submitted_at": START + timedelta(hours=number), "on_front": number % 3 == 0}
            for number, each in enumerate(numbered)
        ],
        "progress": [{**each, "submitted_at": START + timedelta(hours=number)} for number, each in enumerate(numbered)],
        "training-times": [{**each, "train_time_s": number, "on_front": number == 0} for number, each in enumerate(numbered)],
        "bagging": [{**each, "n_folds": 1 + number // 12} for number, each in enumerate(numbered)],
        "ensemble": [{"n_members": number + 1, "score": number / 10} for number in range(n)],
        "submissions": [{"day": date(2026, 11, 1) + timedelta(days=number), "submissions": number} for number in range(n)],
    }


def picture(kind: str, shown: list[dict[str, Any]]) -> Picture | None:
    view, draw = PICTURES[kind]
    return draw(view.model_validate({"metric": METRIC, "points": shown}))


def written(kind: str, drawn: Picture | None) -> str:
    assert drawn is not None
    return TEMPLATES.get_template("_picture.html").render(kind=kind, picture=drawn, challenge=challenge())


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_well_formed_says_what_is_to_be_seen_and_stays_inside(kind: str) -> None:
    html = written(kind, picture(kind, points(40)[kind]))
    svg = ET.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    assert svg.findtext("title")
    assert svg.findtext("desc")
    assert f"/v1/challenges/iris/plots/{kind}?format=csv" in html
    for element in svg.iter():
        for name, most in (("x", WIDTH), ("cx", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
            assert 0 <= float(element.get(name, 0)) <= most
        assert "style" not in element.attrib


@pytest.mark.parametrize("kind", PICTURES)
def test_where_there_is_nothing_to_see_there_is_no_picture_and_one_point_is_something(kind: str) -> None:
    assert picture(kind, []) is None
    assert (picture(kind, points(1)[kind]) is None) is (kind in {"bagging", "ensemble"}), "one fold or member makes no curve"


@pytest.mark.parametrize("kind", ["progress", "bagging"])
def test_of_many_teams_the_best_few_are_drawn_and_the_picture_says_so(kind: str) -> None:
    drawn = picture(kind, points(24)[kind])
    assert drawn is not None
    assert len(drawn.lines) == 8
    assert "the 8 best of 12" in drawn.description


@given(HOSTILE)
def test_a_hostile_name_in_a_picture_is_only_ever_text(name: str) -> None:
    for kind in ("scores", "progress"):
        calm, hostile = (Tags(written(kind, picture(kind, points(3, each)[kind]))) for each in ("a", f"a{name}"))
        assert (hostile.tags, hostile.attributes) == (calm.tags, calm.attributes)


@given(st.lists(NUMBERS, min_size=1))
def test_every_number_has_its_place_in_the_picture_and_the_axes_have_round_numbers(numbers: list[float]) -> None:
    for scale, most in ((across(numbers), WIDTH), (upwards(numbers), HEIGHT)):
        assert all(0 <= scale(number) <= most for number in numbers)
        ticks = number_ticks(scale)
        assert 1 <= len(ticks) <= 11
        assert len({tick.words for tick in ticks}) == len(ticks)


def test_a_time_axis_names_days_and_hours_where_there_are_few_days() -> None:
    long, short = (across([START.timestamp(), (START + span).timestamp()]) for span in (timedelta(days=30), timedelta(hours=5)))
    assert all(re.fullmatch(r"\d+ \w{3}", tick.words) for tick in time_ticks(long))
    assert all(re.fullmatch(r"\d+ \w{3}, \d\d:\d\d", tick.words) for tick in time_ticks(short))


def test_marks_on_the_same_spot_are_drawn_once_and_the_special_ones_always() -> None:
    assert thinned([Mark(2, 2, "a"), Mark(2.2, 2.1, "b"), Mark(2, 2, "best", is_special=True)]) == (
        [Mark(2.2, 2.1, "b"), Mark(2, 2, "best", is_special=True)],
        False,
    )
    marks, is_thinned = thinned([Mark(3 * number, 1, "") for number in range(10_000)])
    assert len(marks) <= 1_500
    assert is_thinned
