import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.portal.openapi import METHODS, served_by
from shared.events import Outcome
from tests.integration.portal.conftest import WHEEL, Site

PASSWORD = "correct horse battery"
HOSTILE = "<svg/onload=alert(1)>"


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    with site.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def iris(site: Site) -> str:
    """A challenge that is open, made as an organiser makes it."""
    site.world.problem("iris")
    with site.api(site.administrator) as organiser:
        until(lambda: organiser.post("/v1/challenges", json={"id": "iris", "title": "Iris & friends", "problem": "iris"}))
    return "iris"


@pytest.fixture(scope="module")
def ada(site: Site, iris: str) -> Iterator[httpx.Client]:
    """Somebody who registered and joined in the browser."""
    with site.browser() as browser:
        registered = browser.post("/register", data={"name": "ada", "email": "ada@example.org", "password": PASSWORD})
        assert registered.status_code == 200
        assert browser.post(f"/challenges/{iris}/join").status_code == 200
        yield browser


def until(ask: Callable[[], httpx.Response], shows: str = "") -> httpx.Response:
    """Ask until the answer is a success that shows this, half a minute at most: events travel from the ledger to the pages."""
    deadline = time.monotonic() + 30
    while True:
        answer = ask()
        if answer.is_success and shows in answer.text:
            return answer
        assert time.monotonic() < deadline, f"{answer.status_code} without {shows!r}: {answer.text}"
        time.sleep(0.05)


def submit(site: Site, who: httpx.Client, name: str, challenge: str = "iris") -> UUID:
    """A submission over the API, with the token that the browser has in its cookie."""
    with site.api(who.cookies["palio_token"]) as client:
        answer = client.post(
            f"/v1/challenges/{challenge}/submissions",
            data={"name": name},
            files={"files": ("classifier.py", b"class Classifier: ...")},
        )
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def test_the_first_page_lists_challenges_and_leads_to_one(visitor: httpx.Client, iris: str) -> None:
    page = until(lambda: visitor.get("/"), "Iris &amp; friends").text
    assert f'href="/challenges/{iris}"' in page
    challenge = visitor.get(f"/challenges/{iris}").text
    assert "competitive" in challenge
    assert "classifier.py" in challenge
    assert "No submission has been scored yet." in challenge
    assert f"/v1/challenges/{iris}/leaderboards/public?format=csv" in challenge
    assert visitor.get(f"/v1/challenges/{iris}/leaderboards/public?format=csv").headers["content-type"].startswith("text/csv")


def test_the_five_commands_name_this_origin_and_a_wheel_that_is_really_there(
    site: Site, visitor: httpx.Client, iris: str
) -> None:
    page = unescape(until(lambda: visitor.get(f"/challenges/{iris}")).text)
    commands = re.findall(r"<pre[^>]*><code>([^<]*)</code></pre>", page)
    assert commands == [
        f"pip install {site.origin}/packages/{WHEEL}",
        f"palio register --server {site.origin}",
        f"palio start {iris}",
        f"palio test {iris}",
        f"palio submit {iris} --watch",
    ]
    assert visitor.get(commands[0].removeprefix(f"pip install {site.origin}")).content == b"a wheel"
    assert visitor.get("/packages/palio.whl").content == b"a wheel"


def test_somebody_who_registers_is_logged_in_with_a_cookie_that_no_script_can_read(site: Site, iris: str) -> None:
    with site.browser() as browser:
        answer = browser.post(
            "/register", data={"name": "grace", "email": "grace@example.org", "password": PASSWORD}, follow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "Logged in as <bdi>grace</bdi>" in browser.get("/").text
        assert "Join this challenge" in browser.get(f"/challenges/{iris}").text
        assert "Your team takes part." in browser.post(f"/challenges/{iris}/join").text, "the page waits for one's own write"
        browser.post("/logout")
        assert "Log in" in browser.get("/").text


def test_a_refused_registration_shows_the_form_again_with_what_the_api_says_and_without_the_password(
    ada: httpx.Client, visitor: httpx.Client
) -> None:
    answer = visitor.post("/register", data={"name": "ADA", "email": "other@example.org", "password": PASSWORD})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert 'value="ADA"' in answer.text
    assert PASSWORD not in answer.text


def test_a_wrong_password_is_told_and_a_right_one_leads_to_the_page_that_was_wanted(
    ada: httpx.Client, visitor: httpx.Client, iris: str
) -> None:
    wrong = visitor.post("/login", data={"name": "ada", "password": "wrong", "next": f"/challenges/{iris}"})
    assert wrong.status_code == 401
    assert f'value="/challenges/{iris}"' in wrong.text
    right = visitor.post("/login", data={"name": "ada", "password": PASSWORD, "next": f"/challenges/{iris}"})
    assert right.url.path == f"/challenges/{iris}"
    assert "Logged in as <bdi>ada</bdi>" in right.text


def test_a_submission_is_followed_from_upload_to_scores(site: Site, ada: httpx.Client, visitor: httpx.Client) -> None:
    submission = submit(site, ada, "starter")
    page = f"/submissions/{submission}"
    assert "data-live-stream" in until(lambda: ada.get(page), "uploaded").text
    site.world.started(submission, "iris")
    site.world.fold_trained(submission, 0, b"hello from fold 0 <b>\xff")
    shown = until(lambda: ada.get(f"{page}/state"), "training, 1 of 2 folds done").text
    assert "hello from fold 0 &lt;b&gt;\ufffd" in shown
    site.world.fold_trained(submission, 1, b"hello from fold 1")
    site.world.finished(submission, Outcome.TRAINED)
    site.world.scored(submission, "iris", acc=0.9512, nll=0.1)
    shown = until(lambda: ada.get(page), "Scores").text
    assert ">0.95<" in shown
    assert ">0.100<" in shown
    assert "0.78" not in shown, "test scores stay hidden"
    assert "hello from fold 1" in ada.get(f"{page}/log").text
    board = until(lambda: visitor.get("/challenges/iris/board"), "starter").text
    assert f'href="{page}"' in board
    stranger = visitor.get(page).text
    assert "Scores" in stranger
    assert "hello from" not in stranger


def test_a_failed_submission_shows_its_traceback_to_its_team_alone(site: Site, ada: httpx.Client, visitor: httpx.Client) -> None:
    submission = submit(site, ada, "broken")
    site.world.started(submission, "iris")
    site.world.finished(submission, Outcome.TRAIN_ERROR, "ValueError: <i>no</i>", b"Traceback: line 3 <script>")
    own = until(lambda: ada.get(f"/submissions/{submission}"), "Why it failed").text
    assert "The code raised an error while training." in own
    assert "ValueError: &lt;i&gt;no&lt;/i&gt;" in own
    assert "Traceback: line 3 &lt;script&gt;" in own
    others = visitor.get(f"/submissions/{submission}").text
    assert "Why it failed" in others
    assert "line 3" not in others
    assert "ValueError" not in others
    assert "broken" in ada.get("/challenges/iris").text, "one's own submissions are listed, failed ones too"


def test_a_submission_that_waits_can_be_withdrawn_by_its_team_alone(site: Site, ada: httpx.Client, visitor: httpx.Client) -> None:
    submission = submit(site, ada, "second thoughts")
    page = f"/submissions/{submission}"
    assert "Withdraw it" in until(lambda: ada.get(page), "uploaded").text
    assert "Withdraw it" not in visitor.get(page).text
    assert "Log in" in visitor.post(f"{page}/withdraw").text
    withdrawn = ada.post(f"{page}/withdraw")
    assert ">withdrawn<" in withdrawn.text, "the page waits for one's own write"
    assert "Withdraw it" not in withdrawn.text
    assert ada.post(f"{page}/withdraw").is_success, "twice is once"
    again = submit(site, ada, "second thoughts")
    assert again != submission, "its name is free"


def test_nobody_withdraws_what_is_over_or_anothers(site: Site, ada: httpx.Client) -> None:
    submission = submit(site, ada, "over")
    site.world.started(submission, "iris")
    site.world.finished(submission, Outcome.TRAINED)
    with site.api(ada.cookies["palio_token"]) as client:
        answer = client.delete(f"/v1/submissions/{submission}")
        assert answer.status_code == 409
        assert "its training is over" in answer.json()["detail"]
        assert client.delete(f"/v1/submissions/{uuid4()}").status_code == 404
    with site.browser() as browser:
        browser.post("/register", data={"name": "mallory", "email": "mallory@example.org", "password": PASSWORD})
        with site.api(browser.cookies["palio_token"]) as mallory:
            assert mallory.delete(f"/v1/submissions/{submission}").status_code == 403
    with site.api("nonsense") as nobody:
        assert nobody.delete(f"/v1/submissions/{submission}").status_code == 401


def test_a_challenge_shows_of_logs_and_tracebacks_what_its_policy_says(site: Site, ada: httpx.Client) -> None:
    with site.api(ada.cookies["palio_token"]) as client, site.api(site.administrator) as organiser:
        for policy, log_status, shows_reason in (("own_traceback", 403, True), ("none", 403, False)):
            challenge = f"iris-{policy}"
            rules = {"id": challenge, "title": policy, "problem": "iris", "log_policy": policy}
            until(lambda rules=rules: organiser.post("/v1/challenges", json=rules))
            assert client.post(f"/v1/challenges/{challenge}/joins").is_success
            submission = submit(site, ada, "curious", challenge)
            site.world.started(submission, challenge)
            site.world.fold_trained(submission, 0, b"label 7 is 1")
            site.world.finished(submission, Outcome.TRAIN_ERROR, "label 8 is 0", b"Traceback: label 9 is 1")
            address = f"/v1/submissions/{submission}"
            found = until(lambda address=address: client.get(address), '"failed"').json()
            assert ("label 8" in str(found["reason"])) is shows_reason
            assert ("label 9" in str(found["traceback"])) is shows_reason
            assert found["shows_log"] is False
            refused = client.get(f"{address}/log")
            assert (refused.status_code, "label" in refused.text) == (log_status, False)
            assert "label 7" in organiser.get(f"{address}/log").text


def test_a_team_is_shown_so_much_of_its_logs_and_no_more(site: Site, ada: httpx.Client) -> None:
    with site.api(ada.cookies["palio_token"]) as client, site.api(site.administrator) as organiser:
        rules = {"id": "iris-short", "title": "Short", "problem": "iris", "team_log_bytes": 10}
        until(lambda: organiser.post("/v1/challenges", json=rules))
        assert client.post("/v1/challenges/iris-short/joins").is_success
        first, second = (submit(site, ada, name, "iris-short") for name in ("first", "second"))
        site.world.started(first, "iris-short")
        site.world.fold_trained(first, 0, b"12345678")
        site.world.fold_trained(first, 1, "9\N{EURO SIGN}abc".encode())
        site.world.started(second, "iris-short")
        site.world.fold_trained(second, 0, b"labels")
        shown = until(lambda: client.get(f"/v1/submissions/{second}/log"), "fold 0").text
        assert "labels" not in shown
        assert "your team has seen as much" in shown
        shown = client.get(f"/v1/submissions/{first}/log").text
        assert "--- fold 0 ---\n12345678\n" in shown
        assert "--- fold 1 ---\n9" in shown
        assert "abc" not in shown
        assert "labels" in organiser.get(f"/v1/submissions/{second}/log").text


def test_the_log_of_others_is_refused_in_words_and_a_stranger_is_led_to_the_login(
    site: Site, ada: httpx.Client, visitor: httpx.Client
) -> None:
    submission = submit(site, ada, "secret")
    with site.browser() as other:
        other.post("/register", data={"name": "eve", "email": "eve@example.org", "password": PASSWORD})
        refused = until_not_missing(lambda: other.get(f"/submissions/{submission}/log"))
        assert refused.status_code == 403
        assert "Only the submission" in refused.text


def until_not_missing(ask: Callable[[], httpx.Response]) -> httpx.Response:
    deadline = time.monotonic() + 30
    while (answer := ask()).status_code == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer


def test_names_that_got_past_every_check_are_text_on_every_page(site: Site, ada: httpx.Client, visitor: httpx.Client) -> None:
    mallory = site.world.person(HOSTILE, "mallory@example.org")
    site.world.challenge("hostile", HOSTILE)
    team = site.world.team(HOSTILE, mallory)
    submission = site.world.submission("hostile", team, mallory, HOSTILE)
    site.world.scored(submission, "hostile", acc=0.5)
    for page in (
        "/",
        "/challenges/hostile",
        "/challenges/hostile/board",
        "/challenges/hostile/boards/public",
        f"/submissions/{submission}",
    ):
        answer = until(lambda page=page: visitor.get(page), "&lt;svg/onload=alert(1)&gt;")  # type: ignore[misc]
        assert "<svg/" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.fixture(scope="module")
def boards(site: Site) -> str:
    """A challenge with two scored submissions, one that runs and one that failed."""
    challenge = site.world.challenge("boards", "Boards")
    submissions = []
    for name in ("curie", "noether"):
        person = site.world.person(name, f"{name}@example.org")
        submissions += [site.world.submission(challenge, site.world.team(name, person), person, f"{name}'s")]
    for submission, acc in zip(submissions, (0.75, 0.5), strict=True):
        site.world.scored(submission, challenge, acc=acc)
    for name, outcome in (("runs", None), ("breaks", Outcome.TRAIN_ERROR)):
        submission = site.world.submission(challenge, site.world.team(name, person), person, name)
        site.world.started(submission, challenge)
        if outcome:
            site.world.finished(submission, outcome)
    return f"/challenges/{challenge}/boards"


def test_every_board_that_is_for_everybody_has_a_page_and_a_part_that_its_script_shows(
    visitor: httpx.Client, boards: str
) -> None:
    for board, shows in (("public", "noether&#39;s"), ("competition", "noether&#39;s"), ("new", "runs"), ("failed", "breaks")):
        page = until(lambda board=board: visitor.get(f"{boards}/{board}"), shows).text  # type: ignore[misc]
        assert f'data-live-fragment="{boards}/{board}/table' in page
        assert 'aria-current="page"' in page
        assert shows in visitor.get(f"{boards}/{board}/table").text
    assert "The code raised an error while training." in visitor.get(f"{boards}/failed").text
    assert visitor.get(f"{boards}/beauty").status_code == 404


def test_a_board_is_ordered_and_filtered_by_its_address_alone(visitor: httpx.Client, boards: str) -> None:
    until(lambda: visitor.get(f"{boards}/public"), "noether")
    ascending = visitor.get(f"{boards}/public", params={"sort": "acc"}).text
    assert ascending.index("noether&#39;s") < ascending.index("curie&#39;s")
    one = visitor.get(f"{boards}/public", params={"team": "curie"}).text
    assert "curie&#39;s" in one
    assert "noether&#39;s" not in one
    assert "No submission of a team" in visitor.get(f"{boards}/public", params={"team": "<b>"}).text
    link = re.search(r'href="(/v1/[^"]*format=csv[^"]*)"', visitor.get(f"{boards}/public", params={"team": "curie"}).text)
    assert link
    assert "noether" not in visitor.get(unescape(link[1])).text
    assert visitor.get(f"{boards}/public", params={"sort": "beauty"}).status_code == 422
    assert visitor.get(f"{boards}/public", params={"offset": -1}).status_code in {400, 404, 422}


def test_private_boards_are_the_administrators_before_the_end(site: Site, visitor: httpx.Client, boards: str) -> None:
    for board in ("private", "private-competition"):
        for address in (f"{boards}/{board}", f"{boards}/{board}/table", f"{boards}/{board}/csv"):
            refused = visitor.get(address)
            assert refused.status_code == 403
            assert "open to administrators" in refused.text
    with site.browser() as organiser:
        organiser.cookies.set("palio_token", site.administrator)
        assert f'href="{boards}/private"' in until(lambda: organiser.get(f"{boards}/public"), "noether").text
        page = organiser.get(f"{boards}/private").text
        assert "data-live-stream" not in page, "its stream needs a token that the browser does not show to scripts"
        assert "test" in page
        csv = organiser.get(f"{boards}/private-competition/csv")
        assert csv.text.startswith("rank,public_rank,move,")
        assert csv.headers["cache-control"] == "no-store"


def test_a_challenge_has_plots_on_its_page_and_more_on_one_of_their_own(visitor: httpx.Client, boards: str) -> None:
    challenge = boards.removesuffix("/boards")
    page = until(lambda: visitor.get(challenge), "noether").text
    assert '<title id="scores-title">Scores over time</title>' in page
    plots = visitor.get(f"{challenge}/plots").text
    assert len(re.findall(r"<figure", plots)) == 4, "bagging needs curves, of more folds than one"
    for address in re.findall(r'href="(/v1/[^"]*)"', plots):
        assert visitor.get(unescape(address)).headers["content-type"].startswith(("text/csv", "application/json"))


def test_ones_own_submissions_are_a_board_for_who_is_logged_in(ada: httpx.Client, visitor: httpx.Client, boards: str) -> None:
    assert "Log in" in visitor.get(f"{boards}/mine").text
    assert "Your team has handed in nothing yet." in ada.get(f"{boards}/mine").text


def test_a_token_that_is_no_longer_taken_is_a_strangers_visit_and_its_cookie_is_taken_back(site: Site, iris: str) -> None:
    with site.browser() as browser:
        answer = browser.get(f"/challenges/{iris}", headers={"Cookie": "palio_token=expired"})
    assert answer.status_code == 200
    assert "Log in" in answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("path", ["/challenges/no-such", f"/submissions/{UUID(int=7)}", "/submissions/x", "/nowhere"])
def test_what_is_not_there_is_told_in_words(visitor: httpx.Client, iris: str, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "All challenges" in answer.text


def test_without_the_write_api_pages_can_be_read_and_without_the_read_api_they_say_so(
    site: Site, ada: httpx.Client, iris: str
) -> None:
    with site.without("ingest"):
        answer = ada.get(f"/challenges/{iris}")
        assert answer.status_code == 200
        assert "Log out" in answer.text
        assert ada.post("/login", data={"name": "ada", "password": PASSWORD}).status_code == 502
    with site.without("leaderboard"):
        answer = ada.get(f"/challenges/{iris}")
        assert answer.status_code == 502
        assert "A part of Palio does not answer" in answer.text
    assert until(lambda: ada.get(f"/challenges/{iris}")).status_code == 200


def test_the_merged_description_of_the_api_is_whole(visitor: httpx.Client) -> None:
    document = visitor.get("/v1/openapi.json").json()
    for path, method in (
        ("/v1/users", "post"),
        ("/v1/tokens", "post"),
        ("/v1/me", "get"),
        ("/v1/problems", "post"),
        ("/v1/problems/{problem_id}", "get"),
        ("/v1/challenges", "get"),
        ("/v1/challenges", "post"),
        ("/v1/challenges/{challenge_id}/joins", "post"),
        ("/v1/challenges/{challenge_id}/submissions", "post"),
        ("/v1/challenges/{challenge_id}/starting-kit", "get"),
        ("/v1/submissions/{submission_id}/stream", "get"),
    ):
        assert method in document["paths"][path]
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    for reference in references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    schemes = document["components"]["securitySchemes"]
    assert {name for operation in operations for each in operation.get("security", []) for name in each} <= set(schemes)


def test_what_the_description_says_is_answered_by_the_service_that_said_it(site: Site, visitor: httpx.Client) -> None:
    document = visitor.get("/v1/openapi.json").json()
    for path, item in document["paths"].items():
        for method in item:
            assert method in METHODS
            if served_by(path, method) == "portal":
                continue
            example = re.sub(r"\{[^}]*\}", "00000000-0000-4000-8000-000000000007", path)
            answer = visitor.request(method, example)
            assert answer.status_code != 405, f"{method} {path} reached a service that does not know it"


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_a_form_from_another_page_changes_nothing(site: Site, ada: httpx.Client, iris: str) -> None:
    for headers in ({"Origin": "http://evil.example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ada.post("/logout", headers=headers).status_code == 403
    assert "Logged in as" in ada.get("/").text


def test_probes_and_metrics_are_not_for_the_world(visitor: httpx.Client) -> None:
    assert visitor.get("/healthz").status_code == 200
    assert visitor.get("/metrics").status_code == 404
    assert visitor.get("/readyz").status_code == 404
