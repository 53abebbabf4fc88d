import email
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailer.facts import Adoption, Closing, Facts, Failure, Move, Score, score_line
from services.mailer.letters import Letters, UnwritableAddressError, address_of, compose, domain_of
from services.mailer.reactions import Kind
from services.mailer.tracebacks import one_line
from shared.events import Metadata, Metric, Outcome, RecordedEvent

NOW = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
MESSAGE_ID = "<00000000-0000-4000-8000-000000000001@example.org>"
SENDER = "Palio <palio@example.org>"
CAUSE = RecordedEvent(
    position=1,
    epoch=1,
    id=UUID(int=1),
    stream="score-1",
    version=1,
    type="ScoreComputed",
    schema_version=1,
    data="{}",
    metadata=Metadata(correlation_id="c"),
    recorded_at=NOW,
)
LETTERS = Letters()
HOSTILE = st.one_of(
    st.sampled_from(
        [
            "x\r\nBcc: victim@example.org",
            "x\n\nnew body",
            "<svg/onload=alert(1)>",
            '"><img src=http://evil/x>',
            "=?utf-8?q?x=0d=0aBcc:_v@e?=",
            "a, b <c@d>",
            "\u202egnp.exe",
            "\u2028Bcc: v@e",
            "ada\x00\x1b[2J",
            "{{ 7*7 }}",
            "\ud800",
        ]
    ),
    st.text(max_size=200),
    # Pieces of an encoded word, which the `email` package decodes where it should not.
    st.lists(
        st.sampled_from(["=?utf-8?q?", "=?utf-8?b?", "=0d=0a", "DQo=", "?=", "=", "?", "Bcc:", "v@e", '"', ",", " "]), max_size=12
    ).map("".join),
)


def facts(
    *,
    name: str = "Ada",
    email: str = "ada@example.org",
    team: str = "ada",
    submission: str = "starter",
    challenge: str = "Iris",
    scores: tuple[Score, ...] = (),
    failure: Failure | None = None,
) -> Facts:
    return Facts(
        cause=CAUSE,
        name=one_line(name),
        email=email,
        team=one_line(team),
        submission=one_line(submission),
        challenge=one_line(challenge),
        submission_url="http://127.0.0.1:8700/submissions/1",
        challenge_url="http://127.0.0.1:8700/challenges/iris",
        scores=scores,
        failure=failure,
    )


def sent(kind: Kind, said: Facts) -> EmailMessage:
    """The mail as a reader's program gets it: written, and read again."""
    message = compose(LETTERS.words(kind, said), said, MESSAGE_ID, SENDER, NOW)
    received = email.message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(received, EmailMessage)
    return received


def text_of(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def failure(outcome: Outcome = Outcome.TRAIN_ERROR, reason: str = "it broke", traceback: str | None = None) -> Failure:
    return Failure(outcome, one_line(reason), outcome.is_ours, traceback)


def test_the_scored_mail_has_the_table_of_every_metric_in_both_bodies() -> None:
    scores = (Score("accuracy", "0.95", "higher is better"), Score("nll", "0.12", "lower is better"))
    message = sent(Kind.SCORED, facts(scores=scores))
    assert message["subject"] == 'Iris: "starter" is scored'
    assert "  accuracy  0.95  (higher is better)\n  nll       0.12  (lower is better)" in text_of(message, "plain")
    html = text_of(message, "html")
    assert "0.95" in html
    assert "0.12" in html
    assert "http://127.0.0.1:8700/submissions/1" in html


def test_the_failed_mail_says_what_happened_in_words_with_the_traceback() -> None:
    message = sent(Kind.FAILED, facts(failure=failure(traceback='File "classifier.py", line 3\nValueError: <b>no</b>')))
    plain, html = text_of(message, "plain"), text_of(message, "html")
    assert "Your code raised an error while training.\nit broke" in plain
    assert '    File "classifier.py", line 3\n    ValueError: <b>no</b>' in plain
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in html
    assert "not the fault of your code" not in plain


@pytest.mark.parametrize("outcome", [Outcome.KIT_ERROR, Outcome.ENVIRONMENT_ERROR, Outcome.SYSTEM_ERROR])
@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.SCORING_FAILED])
def test_a_failure_of_ours_says_that_the_code_is_not_at_fault(kind: Kind, outcome: Outcome) -> None:
    message = sent(kind, facts(failure=failure(outcome)))
    for subtype in ("plain", "html"):
        assert "not the fault of your code" in text_of(message, subtype)


@pytest.mark.parametrize("outcome", [each for each in Outcome if each not in {Outcome.TRAINED, Outcome.WITHDRAWN}])
def test_every_outcome_that_causes_a_mail_has_its_sentence(outcome: Outcome) -> None:
    said = facts(failure=failure(outcome, reason=""))
    paragraphs = LETTERS.words(Kind.FAILED, said).text.split("\n\n")
    assert paragraphs[2].endswith(".")


@given(name=HOSTILE, team=HOSTILE, submission=HOSTILE, challenge=HOSTILE, reason=HOSTILE)
def test_no_name_adds_a_header_a_recipient_a_part_or_a_tag(
    name: str, team: str, submission: str, challenge: str, reason: str
) -> None:
    calm = sent(Kind.FAILED, facts(failure=failure(reason="x")))
    hostile = sent(
        Kind.FAILED,
        facts(name=name, team=team, submission=submission, challenge=challenge, failure=failure(reason=f"x{reason}")),
    )
    assert list(hostile.keys()) == list(calm.keys())
    assert [address.addr_spec for address in hostile["to"].addresses] == ["ada@example.org"]
    assert [part.get_content_type() for part in hostile.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    calm_tags, hostile_tags = Tags(text_of(calm, "html")), Tags(text_of(hostile, "html"))
    assert (hostile_tags.tags, hostile_tags.attributes) == (calm_tags.tags, calm_tags.attributes)


@given(traceback=HOSTILE)
def test_every_line_of_a_mail_fits_what_mail_servers_carry(traceback: str) -> None:
    said = facts(failure=failure(traceback=one_line(traceback) * 20))
    written = compose(LETTERS.words(Kind.FAILED, said), said, MESSAGE_ID, SENDER, NOW).as_bytes()
    assert max(len(line) for line in written.split(b"\r\n")) <= 998
    assert written.isascii()


def test_nothing_in_a_mail_is_fetched_from_elsewhere() -> None:
    for kind in Kind:
        about_challenges = {Kind.CHALLENGE_CLOSED: closed(), Kind.RANK_CHANGED: moved(Move("ada", 2, 1))}
        said = about_challenges.get(kind) or facts(scores=(Score("acc", "1", ""),), failure=failure(traceback="x"))
        tags = Tags(text_of(sent(kind, said), "html"))
        assert not {"img", "link", "script", "iframe", "style"} & set(tags.tags)
        assert "src" not in tags.attributes


def test_the_headers_say_who_when_which_and_that_no_person_wrote_it() -> None:
    message = sent(Kind.SCORED, facts(name="Åsa, of Uppsala"))
    assert message["from"] == SENDER
    assert message["to"].addresses[0].display_name == "Åsa, of Uppsala"
    assert message["date"].datetime == NOW
    assert message["message-id"] == MESSAGE_ID
    assert message["auto-submitted"] == "auto-generated"


@pytest.mark.parametrize("address", ["", "no-at-sign", "a@b\r\nBcc: c@d", "a b@c", "a@b, c@d", "<a@b>", "@", "a@"])
def test_an_address_that_can_not_be_written_is_refused(address: str) -> None:
    said = facts(email=address)
    with pytest.raises(UnwritableAddressError):
        compose(LETTERS.words(Kind.SCORED, said), said, MESSAGE_ID, SENDER, NOW)


def test_a_sender_is_taken_apart() -> None:
    assert address_of(SENDER) == "palio@example.org"
    assert domain_of(SENDER) == "example.org"
    assert domain_of("nobody") == "localhost"


def test_a_score_is_printed_as_its_metric_wants_and_a_missing_one_in_a_word() -> None:
    metric = Metric(name="nll", precision=2, is_lower_the_better=True, minimum=0, maximum=None)
    assert score_line("nll", 0.5678, metric) == Score("nll", "0.57", "lower is better")
    assert score_line("nll", None, metric).value == "none"
    assert score_line("new", 0.123456, None) == Score("new", "0.1235", "")


def closed(challenge: str = "Iris") -> Facts:
    return Facts(
        cause=CAUSE,
        name="Ada",
        email="ada@example.org",
        challenge=one_line(challenge),
        challenge_url="http://127.0.0.1:8700/challenges/iris",
        closing=Closing(4711, "ab" * 32, NOW),
    )


def test_the_end_of_a_challenge_is_told_with_the_ledgers_hash_and_without_a_submission() -> None:
    message = sent(Kind.CHALLENGE_CLOSED, closed())
    assert message["subject"] == "Iris has closed"
    for subtype in ("plain", "html"):
        said = text_of(message, subtype)
        assert "4711" in said
        assert "ab" * 32 in said
        assert "2026-11-22 14:05:00 UTC" in said
        assert "/challenges/iris" in said
        assert "/submissions/" not in said
    assert "None" not in message.as_string()


def moved(*moves: Move) -> Facts:
    return Facts(
        cause=CAUSE,
        name="Ada",
        email="ada@example.org",
        challenge="Iris",
        challenge_url="http://127.0.0.1:8700/challenges/iris",
        adoption=Adoption(2, moves),
    )


def test_a_changed_place_is_told_with_those_of_before_and_after() -> None:
    message = sent(Kind.RANK_CHANGED, moved(Move("ada", 2, 1), Move("left <b>", 1, None), Move("new", None, 3)))
    assert message["subject"] == "Iris: your place on the board has changed"
    plain, html = text_of(message, "plain"), text_of(message, "html")
    assert "  ada: number 1 now, 2 before\n" in plain
    assert "  left <b>: number 1 before; now on the board no more, since it has no score by this version\n" in plain
    assert "  new: number 3 now; it had no place before\n" in plain
    assert "<strong>left &lt;b&gt;</strong>: number 1 before; now on the board no more" in html
    for said in (plain, html):
        assert "version 2" in said
        assert "http://127.0.0.1:8700/challenges/iris" in said
        assert "None" not in said


def test_every_kind_of_mail_has_its_rule_for_a_crash_and_the_operators_can_read_it() -> None:
    written = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    for kind in Kind:
        assert f"| `{kind}` | {kind.after_crash.value} |" in written
