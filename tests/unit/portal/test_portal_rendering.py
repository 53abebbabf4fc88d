from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from services.portal.boards import Part
from services.portal.pages import LogEnd
from services.portal.rendering import HERE, duration, environment, score, size, utc
from services.portal.sessions import Session
from services.portal.upstream import Visitor
from services.portal.views import Board, Challenge, Me, Submission, UnscoredBoard

MOMENT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
ID = UUID("00000000-0000-4000-8000-000000000001")
METRIC = {"name": "acc", "precision": 2, "is_lower_the_better": False, "minimum": 0, "maximum": None}
HOSTILE = st.one_of(
    st.sampled_from(
        ["<svg/onload=alert(1)>", '"><script>x</script>', "' onmouseover='x", "{{ 7*7 }}", "&lt;b&gt;", "\u202egnp.exe"]
    ),
    st.text(max_size=40),
)
TEMPLATES = environment()


class Tags(HTMLParser):
    """The tags, attributes and text of a page as a browser would read them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def board(team: str, submission: str, metric: str, kind: str = "public", **more: Any) -> Board:
    row = {
        "rank": 1,
        "team": team,
        "submission": submission,
        "submission_id": ID,
        "scores": {metric: 0.5},
        "standard_errors": {metric: 0.0625},
        "within_noise": True,
        "train_time_s": 1.0,
        "valid_time_s": None,
        "peak_memory_bytes": 10,
        "submitted_at": MOMENT,
        **more,
    }
    shown = {"challenge": "iris", "board": kind, "metrics": [{**METRIC, "name": metric}], "n_rows": 1, "rows": [row]}
    return Board.model_validate(shown)


def submission(**changes: Any) -> Submission:
    values = {
        "id": ID,
        "name": "forest",
        "team": "ada",
        "challenge": "iris",
        "state": "failed",
        "folds_done": 1,
        "n_folds": 3,
        "queue": None,
        "outcome": "train_error",
        "reason": "ValueError: no",
        "traceback": "Traceback",
        "scores": None,
        "metrics": [METRIC],
        "train_time_s": None,
        "valid_time_s": None,
        "test_time_s": None,
        "peak_memory_bytes": None,
        "submitted_at": MOMENT,
        "finished_at": None,
        "files": ["classifier.py"],
        "owned": True,
    }
    return Submission.model_validate({**values, **changes})


def challenge(**changes: Any) -> Challenge:
    values = {
        "id": "iris",
        "title": "Iris",
        "problem": "iris",
        "phase": "competitive",
        "opens_at": MOMENT,
        "code_opens_at": MOMENT,
        "closes_at": MOMENT,
        "teams": 1,
        "submissions": 1,
        "metrics": [METRIC],
        "n_folds": 2,
        "elements": ["classifier.py"],
        "score_kind": "bag",
        "has_test_set": True,
        "limits": {"time_limit_s": 300, "memory_limit_bytes": 2**32},
    }
    return Challenge.model_validate({**values, **changes})


def render(template: str, **values: Any) -> str:
    common = {"session": Session(Visitor()), "path": "/", "kind": "public", "part": Part(), "picture": None}
    return TEMPLATES.get_template(template).render(**{**common, **values})


@given(team=HOSTILE, name=HOSTILE, metric=HOSTILE)
def test_a_hostile_name_on_a_board_is_only_ever_text(team: str, name: str, metric: str) -> None:
    calm, hostile = (
        Tags(render("_board.html", board=board("t", "s", "m"))),
        Tags(render("_board.html", board=board(team, name, metric))),
    )
    assert (hostile.tags, hostile.attributes) == (calm.tags, calm.attributes)


@given(name=HOSTILE, reason=HOSTILE, traceback=HOSTILE, log=HOSTILE)
def test_what_a_participants_code_says_is_only_ever_text(name: str, reason: str, traceback: str, log: str) -> None:
    def page(name: str, reason: str, traceback: str, log: str) -> Tags:
        shown = submission(name=name, team=name, reason=f"x{reason}", traceback=f"x{traceback}", files=[name])
        return Tags(render("submission.html", submission=shown, log=LogEnd(f"x{log}", is_cut=False)))

    calm, hostile = page("n", "r", "t", "l"), page(name, reason, traceback, log)
    assert (hostile.tags, hostile.attributes) == (calm.tags, calm.attributes)


@given(team=HOSTILE, name=HOSTILE)
def test_a_hostile_name_on_any_board_page_is_only_ever_text(team: str, name: str) -> None:
    def pages(team: str, name: str) -> list[Tags]:
        row = {
            "team": team,
            "submission": name,
            "submission_id": ID,
            "submitted_at": MOMENT,
            "finished_at": None,
            "outcome": None,
        }
        row |= {"state": "queued", "folds_done": 0, "n_folds": None}
        paused = {"position": 1, "estimated_wait_s": None, "paused": True, "reason": f"x{name}"}
        waiting = UnscoredBoard.model_validate({"rows": [{**row, "queue": paused}]})
        part = Part(team=f"x{team}", sort=f"x{name}")
        return [
            Tags(render("board.html", challenge=challenge(title=name), kind="new", table="_unscored.html", board=waiting)),
            Tags(render("board.html", challenge=challenge(), table="_board.html", board=board(team, name, "m"), part=part)),
        ]

    for calm, hostile in zip(pages("t", "s"), pages(team, name), strict=True):
        assert (hostile.tags, hostile.attributes) == (calm.tags, calm.attributes)


def test_a_score_has_its_error_beside_it_and_a_mark_if_the_next_one_is_no_worse_beyond_noise() -> None:
    shown = Tags(render("_board.html", board=board("t", "s", "acc"))).text
    assert "0.50 ± 0.062 ≈" in shown
    assert "no more different from the next one than folds are" in shown
    assert "≈" not in render("_board.html", board=board("t", "s", "acc", within_noise=False))


def test_contributivity_stands_beside_the_historical_one_and_neither_before_the_first_ensemble() -> None:
    shown = Tags(render("_board.html", board=board("t", "s", "acc", contributivity=40, historical_contributivity=17))).text
    assert shown.index("40 %") < shown.index("17 %")
    assert " %" not in Tags(render("_board.html", board=board("t", "s", "acc"))).text


def test_a_column_is_ordered_by_a_link_the_best_first_and_back_by_the_next() -> None:
    html = render("_board.html", board=board("t", "s", "a&b"))
    assert 'href="/challenges/iris/boards/public?sort=-a%26b"' in html
    assert 'href="/challenges/iris/boards/public?team=t"' in html
    assert '<th scope="col" aria-sort="ascending"><a href="/challenges/iris/boards/public">Rank</a>' in html
    html = render("_board.html", board=board("t", "s", "a&b"), part=Part(team="t", sort="-a&b", offset=7))
    assert 'aria-sort="descending"><a href="/challenges/iris/boards/public?team=t&amp;sort=a%26b">' in html


def test_the_private_board_of_the_competition_shows_both_splits_and_the_move() -> None:
    over_folds = {"acc": {"bag": 0.25, "mean": 0.125, "std": 0.0625}}
    private = {"valid": over_folds, "test": over_folds, "test_standard_errors": {"acc": 0.03125}, "test_time_s": 1}
    shown = board("t", "s", "acc", "private-competition", **private, public_rank=3, move=-2)
    html = render("_board.html", board=shown)
    assert '<td class="number">3</td><td class="number">\N{MINUS SIGN}2</td>' in html
    assert html.count('<td class="number official">0.25') == 1, "ranked by the bagged test score"
    assert "0.12 ± 0.031" in Tags(html).text


def test_a_large_board_is_read_in_parts() -> None:
    shown = board("t", "s", "acc").model_copy(update={"n_rows": 1_201})
    html = render("_board.html", board=shown, part=Part(offset=500))
    assert "Rows 501 to 501 of 1201" in html
    assert 'href="/challenges/iris/boards/public" rel="prev"' in html
    assert 'href="/challenges/iris/boards/public?offset=1000" rel="next"' in html
    assert "rel=" not in render("_board.html", board=board("t", "s", "acc"))


@pytest.mark.parametrize(
    ("phase", "administrator", "shows"), [("competitive", False, False), ("competitive", True, True), ("closed", False, True)]
)
def test_private_boards_are_in_the_menu_of_those_who_may_see_them(phase: str, *, administrator: bool, shows: bool) -> None:
    me = Me.model_validate({"id": ID, "name": "n", "administrator": administrator, "team": {"id": ID, "name": "n"}})
    html = render("_boards_menu.html", challenge=challenge(phase=phase), session=Session(Visitor("t"), me))
    assert ("/boards/private" in html) is shows
    assert "/boards/mine" in html
    assert "/boards/private" not in render("_boards_menu.html", challenge=challenge(phase="closed", has_test_set=False))


def test_a_closed_challenge_shows_the_ledgers_hash_and_an_open_one_none() -> None:
    def page(**changes: Any) -> str:
        shown = challenge(**changes)
        return render("challenge.html", challenge=shown, board=board("t", "s", "m"), own_submissions=[], wheel=None, origin="")

    closing = {"position": 4711, "hash": "ab" * 32, "recorded_at": MOMENT}
    closed = page(phase="closed", closed=closing)
    assert "4711" in closed
    assert "ab" * 32 in closed
    assert "The ledger when it closed" not in page()


def test_a_hostile_name_is_shown_as_it_was_written() -> None:
    assert "<svg/onload=alert(1)>" in Tags(render("_board.html", board=board("ada", "<svg/onload=alert(1)>", "acc"))).text


def test_no_template_holds_a_script_a_style_or_a_handler_that_the_policy_would_stop() -> None:
    for template in (HERE / "templates").glob("*.html"):
        tags = Tags(template.read_text())
        assert "style" not in tags.tags
        assert not [name for name in tags.attributes if name.startswith("on") or name == "style"]
        assert "<script>" not in template.read_text()


def test_a_name_that_nobody_gave_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(UndefinedError):
        render("submission.html", log=None)


def test_the_challenges_page_holds_the_five_commands_with_the_true_origin_and_wheel() -> None:
    class Wheel:
        name = "palio-0.1.0-py3-none-any.whl"

    page = Tags(
        render(
            "challenge.html",
            challenge=challenge(),
            board=board("ada", "starter", "acc"),
            own_submissions=[],
            wheel=Wheel(),
            origin="https://palio.example.org",
        )
    )
    for command in (
        "pip install https://palio.example.org/packages/palio-0.1.0-py3-none-any.whl",
        "palio register --server https://palio.example.org",
        "palio start iris",
        "palio test iris",
        "palio submit iris --watch",
    ):
        assert command in page.text


def test_without_a_wheel_the_page_says_what_is_missing_instead_of_a_command_that_fails() -> None:
    html = render(
        "challenge.html", challenge=challenge(), board=board("a", "b", "c"), own_submissions=[], wheel=None, origin="http://x"
    )
    assert "pip install" not in html
    assert "PALIO_WHEEL_DIR" in html


@pytest.mark.parametrize("state", ["uploaded", "queued", "training", "trained"])
def test_a_submission_that_can_still_change_is_watched(state: str) -> None:
    shown = submission(state=state, outcome=None, reason=None, traceback=None)
    assert f'data-live-stream="/v1/submissions/{ID}/stream"' in render("submission.html", submission=shown, log=None)


@pytest.mark.parametrize("state", ["scored", "failed", "withdrawn"])
def test_a_submission_in_its_final_state_is_not_watched(state: str) -> None:
    assert "data-live-stream" not in render("submission.html", submission=submission(state=state), log=None)


@pytest.mark.parametrize(("test", "has_column"), [(None, False), (0.25, True)])
def test_test_scores_have_a_column_only_where_the_visitor_may_see_them(test: float | None, *, has_column: bool) -> None:
    scores = {
        "bagged": {"acc": {"valid": 0.5, "test": test}},
        "folds": [{"fold": 0, "scores": {"acc": {"train": 1, "valid": 0.5}}}],
    }
    page = Tags(render("submission.html", submission=submission(state="scored", scores=scores), log=None))
    assert ("Test" in page.text) is has_column
    assert "0.50" in page.text


def test_a_score_has_its_metrics_precision_and_a_missing_one_is_a_dash() -> None:
    assert score(0.123456, 3) == "0.123"
    assert score(12.0, 0) == "12"
    assert score(None, 3) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "\N{EN DASH}"),
        (0.004, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (300, "5 min"),
        (125.2, "2 min 5 s"),
        (3720, "1 h 2 min"),
    ],
)
def test_a_duration_reads_as_a_person_says_it(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("n_bytes", "words"), [(None, "\N{EN DASH}"), (812, "812 B"), (12 * 1024, "12.0 kB"), (2**32, "4.0 GB")])
def test_a_size_reads_in_the_unit_that_fits(n_bytes: int | None, words: str) -> None:
    assert size(n_bytes) == words


def test_a_moment_is_shown_in_utc_and_says_so() -> None:
    assert utc(datetime.fromisoformat("2026-11-22T15:05:00+01:00")) == "22 November 2026, 14:05 UTC"


def test_a_submission_that_waits_says_where_it_stands_and_can_be_withdrawn_by_its_team() -> None:
    place = {"position": 3, "estimated_wait_s": 42.0}
    page = render("submission.html", submission=submission(state="queued", queue=place), log=None)
    assert "number 3 in the queue, begins in about 42.0 s" in page
    assert "Withdraw it" in page
    others = submission(state="queued", queue={**place, "estimated_wait_s": None}, owned=False)
    nobody_knows = render("submission.html", submission=others, log=None)
    assert "number 3 in the queue<" in nobody_knows
    assert "Withdraw it" not in nobody_knows
