from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from shared.events import Outcome
from tests.integration.portal.browser import PROGRAMS, Browser, browser, is_installed
from tests.integration.portal.conftest import Site

pytestmark = pytest.mark.skipif(not is_installed(), reason=f"needs {' and '.join(PROGRAMS)}")

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path) as window:
        yield window


@pytest.fixture(scope="module")
def team(site: Site) -> tuple[UUID, UUID]:
    """A team that takes part in `live`: (team, its only member)."""
    site.world.challenge("live", "Live")
    member = site.world.person(HOSTILE, "mallory@example.org")
    return site.world.team(HOSTILE, member), member


def test_a_board_that_somebody_looks_at_moves_by_itself_and_says_so_to_a_screen_reader(
    site: Site, window: Browser, team: tuple[UUID, UUID]
) -> None:
    first = site.world.submission("live", *team, "first")
    site.world.scored(first, "live", acc=0.5)
    window.go(f"{site.origin}/challenges/live")
    window.shows("table.board", "first")
    window.run("document.querySelector('table.board tbody th a').focus()")
    second = site.world.submission("live", *team, HOSTILE)
    site.world.scored(second, "live", acc=0.75)
    window.shows("table.board", HOSTILE)
    window.shows("[role=status].live", "Updated at")
    assert window.run("return document.activeElement.textContent") == "first", "the keyboard stays where it was"
    assert window.run("return document.querySelectorAll('table.board img').length") == 0
    assert window.complaints() == []


def test_a_board_in_another_order_keeps_it_when_it_moves_by_itself(site: Site, window: Browser, team: tuple[UUID, UUID]) -> None:
    site.world.challenge("ordered", "Ordered")
    site.world.scored(site.world.submission("ordered", *team, "best"), "ordered", acc=0.75)
    window.go(f"{site.origin}/challenges/ordered/boards/public")
    window.shows("table.board", "best")
    window.run("document.querySelector('[aria-sort=ascending] ~ th.number a').click()")
    window.shows("[aria-sort=descending]", "acc")
    window.run("document.querySelector('[aria-sort=descending] a').click()")
    window.shows("[aria-sort=ascending]", "acc")
    site.world.scored(site.world.submission("ordered", *team, "worst"), "ordered", acc=0.25)
    window.shows("table.board tbody tr", "worst")
    assert window.complaints() == []


def test_a_submission_that_somebody_looks_at_goes_through_its_states_to_its_scores(
    site: Site, window: Browser, team: tuple[UUID, UUID]
) -> None:
    submission = site.world.submission("live", *team, "watched")
    window.go(f"{site.origin}/challenges/live")
    window.shows("h1", "Live")
    window.go(f"{site.origin}/submissions/{submission}")
    window.shows("[data-live-summary]", "uploaded")
    site.world.started(submission, "live")
    site.world.fold_trained(submission, 0, b"")
    window.shows("[data-live-summary]", "training, 1 of 2 folds done")
    site.world.fold_trained(submission, 1, b"")
    site.world.finished(submission, Outcome.TRAINED)
    site.world.scored(submission, "live", acc=0.25)
    window.shows("[role=status].live", "Now: scored.")
    window.shows("main table", "0.25")
    assert window.complaints() == []


def test_the_form_logs_in_and_every_page_fits_a_telephone(site: Site, window: Browser, team: tuple[UUID, UUID]) -> None:
    submission = site.world.submission(
        "live", *team, "a_name_without_any_place_to_break_it_that_is_rather_long_for_a_narrow_screen"
    )
    site.world.scored(submission, "live", acc=0.5, nll=0.25)
    window.resize(390, 844)
    window.go(f"{site.origin}/login?next=/challenges/live")
    window.run(
        "document.querySelector('[name=name]').value = 'organiser';"
        "document.querySelector('[name=password]').value = 'correct horse battery';"
        "document.querySelector('main form button').click()"
    )
    window.shows(".who", "Logged in as organiser")
    assert window.run("return location.pathname") == "/challenges/live"
    assert window.run("return document.cookie") == "", "no script can read the token"
    boards = [
        f"/challenges/live/boards/{board}" for board in ("public", "private", "private-competition", "new", "failed", "mine")
    ]
    for path in ("/", "/challenges/live", "/challenges/live/plots", *boards, f"/submissions/{submission}", "/login", "/register"):
        window.go(f"{site.origin}{path}")
        assert window.run("return document.documentElement.scrollWidth <= innerWidth"), f"{path} is wider than a telephone"
    assert window.complaints() == []
