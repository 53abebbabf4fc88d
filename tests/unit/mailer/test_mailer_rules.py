import unicodedata
from datetime import timedelta
from uuid import UUID

import aiosmtplib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.mailer.outbox import CLAIM_FACTOR, GIVE_UP, LONGEST_RETRY, retry_after
from services.mailer.smtp import (
    MailServerAwayError,
    RefusedForGoodError,
    RefusedForNowError,
    meaning_of,
)
from services.mailer.tracebacks import MAX_LINE_LENGTH, MAX_LINES, cut, one_line, tame
from shared.events import BaggedScore, FoldScore, ScoreComputed
from shared.final_scores import final_scores


def recipient_refused(code: int) -> aiosmtplib.SMTPRecipientsRefused:
    return aiosmtplib.SMTPRecipientsRefused([aiosmtplib.SMTPRecipientRefused(code, "no", "ada@example.org")])


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (recipient_refused(550), RefusedForGoodError),
        (recipient_refused(450), RefusedForNowError),
        (aiosmtplib.SMTPDataError(554, "spam"), RefusedForGoodError),
        (aiosmtplib.SMTPDataError(451, "later"), RefusedForNowError),
        (aiosmtplib.SMTPResponseException(421, "closing"), RefusedForNowError),
        (aiosmtplib.SMTPSenderRefused(550, "who?", "palio@example.org"), MailServerAwayError),
        (aiosmtplib.SMTPAuthenticationError(535, "no"), MailServerAwayError),
        (aiosmtplib.SMTPServerDisconnected("gone"), RefusedForNowError),
        (aiosmtplib.SMTPNotSupported("SMTPUTF8"), RefusedForGoodError),
        (TimeoutError(), RefusedForNowError),
        (ConnectionResetError(), RefusedForNowError),
    ],
)
def test_only_a_refusal_of_the_mail_itself_ends_it_and_a_refusal_of_us_ends_none(
    error: Exception, meaning: type[Exception]
) -> None:
    assert isinstance(meaning_of(error), meaning)


@given(attempts=st.integers(min_value=1, max_value=10**6))
def test_the_wait_grows_to_its_bound_and_no_further(attempts: int) -> None:
    assert timedelta(minutes=1) <= retry_after(attempts) <= retry_after(attempts + 1) <= LONGEST_RETRY


def test_the_wait_doubles() -> None:
    assert [retry_after(attempts) / timedelta(minutes=1) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]


def test_a_living_sender_never_outlives_its_claim_and_a_mail_is_tried_often_before_it_is_given_up() -> None:
    assert CLAIM_FACTOR > 1
    assert GIVE_UP > 10 * LONGEST_RETRY


@given(text=st.text())
def test_a_tamed_text_moves_no_cursor_and_turns_no_reading_direction(text: str) -> None:
    assert {character for character in tame(text) if unicodedata.category(character)[0] == "C"} <= {"\n", "\t"}
    assert "\n" not in one_line(text)


def test_a_tamed_text_is_otherwise_what_it_was() -> None:
    assert tame("a\r\n\tb é 日本\r") == "a\n\tb é 日本\n"
    assert tame("\x1b[31mred\x00") == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}"


@given(lines=st.lists(st.text(alphabet="ab", min_size=1, max_size=MAX_LINE_LENGTH + 20), min_size=1, max_size=MAX_LINES + 20))
def test_a_cut_traceback_keeps_its_end_and_says_what_it_lost(lines: list[str]) -> None:
    shown = cut("\n".join(lines)).split("\n")
    assert len(shown) <= MAX_LINES + 1
    assert shown[-1].startswith(lines[-1][:MAX_LINE_LENGTH])
    if len(lines) > MAX_LINES:
        assert shown[0] == f"[{len(lines) - MAX_LINES} lines left out]"
    else:
        assert len(shown) == len(lines)


def score_computed(*valid: float | None) -> ScoreComputed:
    return ScoreComputed(
        run_id=UUID(int=1),
        submission_id=UUID(int=2),
        challenge_id="iris",
        problem_version=1,
        folds=tuple(FoldScore(metric="acc", fold=fold, train=1, valid=each, test=0.9) for fold, each in enumerate(valid)),
        bagged=(BaggedScore(metric="acc", valid=(0.1, 0.7), test=(0.2, 0.9)),),
    )


def test_the_mail_shows_what_the_public_board_shows_for_either_kind_of_score() -> None:
    assert final_scores(score_computed(0.2, 0.4), "valid", "bag") == {"acc": 0.7}
    assert final_scores(score_computed(0.2, 0.4), "valid", "mean") == {"acc": pytest.approx(0.3)}
    assert final_scores(score_computed(0.2, None), "valid", "mean") == {"acc": None}
