import asyncio
from collections.abc import Iterator
from threading import Barrier
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from services.mailer.smtp import MailServerAwayError
from shared.events import LogPolicy, Outcome
from shared.ledger import read_after
from tests.integration.mailer.conftest import ORIGIN
from tests.integration.mailer.mail_server import MailServer, plain_text
from tests.integration.mailer.parts import Mailer
from tests.integration.mailer.world import World


async def test_a_scored_submission_is_told_to_its_team_with_the_public_scores(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.9512, nll=None)
    await mailer.work()
    (mail,) = server.mails
    assert mail["subject"] == 'Iris: "starter" is scored'
    assert [address.addr_spec for address in mail["to"].addresses] == ["ada@example.org"]
    assert server.envelopes[0].mail_from == "palio@example.org"
    said = plain_text(mail)
    assert "Hello Ada," in said
    assert "  acc  0.95  (higher is better)\n  nll  none  (lower is better)" in said
    assert f"{ORIGIN}/submissions/{starter}" in said
    assert "0.777" not in mail.as_string(), "a score on the test set is not for participants"
    assert mailer.states() == [("scored", "sent", 1)]


async def test_that_a_mail_was_sent_is_in_the_ledger_without_name_or_address(
    world: World, mailer: Mailer, server: MailServer, starter: UUID, ada: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.work()
    (sent,) = mailer.mails_in_ledger()
    assert (sent.kind, sent.user_id, sent.message_id) == ("scored", ada, server.mails[0]["message-id"])
    assert "example.org" not in sent.model_dump_json(exclude={"message_id"})


async def test_a_failed_submission_is_told_with_the_traceback_from_the_object_store(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    traceback = b'File "classifier.py", line 3, in fit\nValueError: \x1b[31m<b>\x00\xff'
    world.finished(starter, Outcome.TRAIN_ERROR, "ValueError while training", traceback)
    await mailer.work()
    (mail,) = server.mails
    assert mail["subject"] == 'Iris: "starter" failed'
    said = plain_text(mail)
    assert "Your code raised an error while training.\nValueError while training" in said
    assert '    File "classifier.py", line 3, in fit\n    ValueError: \ufffd[31m<b>\ufffd\ufffd' in said


async def test_a_challenge_that_shows_nothing_of_what_code_says_mails_neither_reason_nor_traceback(
    world: World, mailer: Mailer, server: MailServer
) -> None:
    world.challenge("silent", "Silent", LogPolicy.NONE)
    member = world.person("eve", "eve@example.org")
    submission = world.submission("silent", world.team("eve", member), member, "leak")
    world.finished(submission, Outcome.TRAIN_ERROR, "label 7 is 1", b"Traceback: label 8 is 0")
    await mailer.work()
    said = "".join(plain_text(mail) for mail in server.mails)
    assert "Your code raised an error while training." in said
    assert "label" not in said


async def test_a_traceback_that_is_not_what_the_ledger_names_is_left_out(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    run_id = world.finished(starter, Outcome.TRAIN_ERROR, "it broke", b"the true one")
    world.overwrite_traceback(run_id, b"the true one", b"a false one")
    await mailer.work()
    said = plain_text(server.mails[0])
    assert "it broke" in said
    assert "false" not in said
    assert "traceback" not in said.lower()


async def test_a_failure_to_score_is_told_as_not_the_teams_fault(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scoring_failed(starter, "iris", "The metric raised ZeroDivisionError.")
    await mailer.work()
    said = plain_text(server.mails[0])
    assert "could not be scored" in server.mails[0]["subject"]
    assert "This is not the fault of your code" in said


@pytest.mark.parametrize("outcome", [Outcome.TRAINED, Outcome.WITHDRAWN])
async def test_what_is_no_news_causes_no_mail(world: World, mailer: Mailer, starter: UUID, outcome: Outcome) -> None:
    world.finished(starter, outcome)
    await mailer.take_in()
    assert mailer.states() == []


async def test_each_member_of_a_team_gets_a_mail_of_their_own(
    world: World, mailer: Mailer, server: MailServer, ada: UUID, iris: str
) -> None:
    grace = world.person("Grace", "grace@example.org")
    submission = world.submission(iris, world.team("both", ada, grace), ada, "ours")
    world.scored(submission, iris, acc=0.5)
    await mailer.work()
    assert {mail["to"] for mail in server.mails} == {"Ada <ada@example.org>", "Grace <grace@example.org>"}
    assert len({mail["message-id"] for mail in server.mails}) == 2


async def test_looking_at_the_ledger_again_sends_nothing_again(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.work()
    await mailer.work()
    assert len(server.mails) == 1


async def test_an_outbox_that_is_made_again_repeats_no_mail_that_was_sent(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.work()
    with mailer.engine.begin() as connection:
        for table in ("users", "teams", "members", "problems", "challenges", "submissions", "outbox"):
            connection.execute(text(f"DELETE FROM mailer.{table}"))
        connection.execute(text("UPDATE mailer.checkpoint SET position = 0"))
    await mailer.work()
    assert len(server.mails) == 1
    assert mailer.states() == [("scored", "sent", 0)]


async def test_a_mail_that_the_server_does_not_take_now_is_sent_later_with_the_same_message_id(
    world: World, mailer: Mailer, server: MailServer, iris: str
) -> None:
    later = world.person("Later", "later@example.org")
    world.scored(world.submission(iris, world.team("later", later), later, "x"), iris, acc=0.5)
    await mailer.work()
    assert mailer.states() == [("scored", "pending", 1)]
    await mailer.work()
    assert mailer.states() == [("scored", "pending", 1)], "it is not tried again before its time"
    server.relent()
    mailer.let_time_pass("1 minute")
    await mailer.work()
    assert mailer.states() == [("scored", "sent", 2)]
    assert server.mails[0]["message-id"] == mailer.mails_in_ledger()[0].message_id


async def test_a_mail_that_the_server_will_never_take_is_given_up_and_the_next_one_sent(
    world: World, mailer: Mailer, server: MailServer, starter: UUID, iris: str
) -> None:
    never = world.person("Never", "never@example.org")
    world.scored(world.submission(iris, world.team("never", never), never, "x"), iris, acc=0.5)
    world.scored(starter, iris, acc=0.5)
    await mailer.work()
    assert mailer.states() == [("scored", "failed", 1), ("scored", "sent", 1)]
    mailer.let_time_pass("1 day")
    await mailer.work()
    assert len(server.mails) == 1


async def test_a_server_that_hangs_up_in_the_middle_costs_one_attempt_and_the_others_go_on(
    world: World, mailer: Mailer, server: MailServer, starter: UUID, iris: str
) -> None:
    cut = world.person("Cut", "cut@example.org")
    world.scored(world.submission(iris, world.team("cut", cut), cut, "x"), iris, acc=0.5)
    world.scored(starter, iris, acc=0.5)
    await mailer.work()
    await mailer.work()
    assert mailer.states() == [("scored", "pending", 1), ("scored", "sent", 1)]
    server.relent()
    mailer.let_time_pass("1 minute")
    await mailer.work()
    assert [mail["to"] for mail in server.mails] == ["Ada <ada@example.org>", "Cut <cut@example.org>"]


async def test_a_dead_mail_server_delays_mail_and_nothing_else(
    world: World, mailer: Mailer, smtp_port: int, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.take_in()
    with pytest.raises(MailServerAwayError):
        await mailer.delivery.send_due()
    world.finished(starter, Outcome.TRAIN_ERROR)
    await mailer.take_in()
    assert mailer.states() == [("scored", "pending", 0), ("failed", "pending", 0)], "no attempt is spent, and events are taken in"
    server = MailServer()
    async with server.listening(smtp_port):
        await mailer.work()
    assert len(server.mails) == 2


async def test_the_loop_sends_by_itself_what_a_ring_announces(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    running = asyncio.create_task(mailer.delivery.run())
    try:
        world.scored(starter, "iris", acc=0.5)
        await mailer.take_in()
        mailer.delivery.ring()
        assert (await server.next_mail())["subject"] == 'Iris: "starter" is scored'
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_mailer_that_dies_after_the_server_took_the_mail_sends_it_again_under_the_same_message_id(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    server.answers.clear()
    working = asyncio.create_task(mailer.work())
    await server.next_mail()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    server.answers.set()
    assert mailer.states() == [("scored", "sending", 1)]
    await mailer.work()
    assert len(server.mails) == 1, "its claim still holds"
    mailer.let_time_pass("3 minutes")
    await mailer.work()
    assert len({mail["message-id"] for mail in server.mails}) == 1
    assert len(server.mails) == 2
    assert len(mailer.mails_in_ledger()) == 1


async def test_a_mail_that_was_taken_and_can_never_be_recorded_does_not_go_out_again_and_again(
    world: World, mailer: Mailer, server: MailServer, starter: UUID, owner: Engine
) -> None:
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM ledger.appenders WHERE type = 'MailSent'"))
    world.scored(starter, "iris", acc=0.5)
    await mailer.work()
    assert mailer.states() == [("scored", "failed", 1)]
    mailer.let_time_pass("3 minutes")
    await mailer.work()
    assert len(server.mails) == 1
    with mailer.engine.connect() as connection:
        assert "could not be recorded" in connection.execute(text("SELECT last_error FROM mailer.outbox")).scalar_one()


async def test_a_sender_that_was_too_slow_changes_nothing_for_the_one_that_took_over(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.take_in()
    slow = mailer.outbox.take()
    assert slow is not None
    mailer.let_time_pass("3 minutes")
    quick = mailer.outbox.take()
    assert quick is not None
    mailer.outbox.put_back(slow, "late")
    assert mailer.states() == [("scored", "sending", 2)]
    with mailer.engine.connect() as connection:
        cause = read_after(connection, quick.caused_at_position - 1, 1)[0]
    mailer.outbox.sent(quick, cause)
    mailer.outbox.sent(slow, cause)
    mailer.outbox.failed(slow, "late")
    assert mailer.states() == [("scored", "sent", 2)]
    assert len(mailer.mails_in_ledger()) == 1


async def test_two_mailers_that_look_at_the_same_time_never_take_the_same_mail(
    world: World, mailer: Mailer, starter: UUID, iris: str, ada: UUID
) -> None:
    for number in range(20):
        world.scored(world.submission(iris, world.team(f"t{number}", ada), ada, f"s{number}"), iris, acc=0.5)
    await mailer.take_in()
    together = Barrier(2)

    def take_all() -> Iterator[UUID]:
        together.wait()
        while (mail := mailer.outbox.take()) is not None:
            yield mail.mail_id

    taken = await asyncio.gather(*(asyncio.to_thread(lambda: list(take_all())) for _ in range(2)))
    assert len(taken[0]) + len(taken[1]) == len({*taken[0], *taken[1]}) == 20


async def test_a_person_who_was_forgotten_in_the_meantime_gets_no_mail(
    world: World, mailer: Mailer, server: MailServer, starter: UUID, ada: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.take_in()
    world.forget(ada)
    await mailer.work()
    assert server.mails == []
    assert mailer.states() == [("scored", "dropped", 1)]


async def test_news_that_could_not_be_told_for_three_days_is_no_news(
    world: World, mailer: Mailer, server: MailServer, starter: UUID
) -> None:
    world.scored(starter, "iris", acc=0.5)
    await mailer.take_in()
    mailer.let_time_pass("3 days")
    await mailer.work()
    assert server.mails == []
    assert mailer.states() == [("scored", "dropped", 1)]


async def test_nothing_that_names_a_person_lies_in_the_mailers_tables(
    world: World, mailer: Mailer, server: MailServer, iris: str
) -> None:
    person = world.person("Ada Lovelace", "ada.lovelace@example.org")
    world.scored(world.submission(iris, world.team("Ada Lovelace", person), person, "x"), iris, acc=0.5)
    await mailer.work()
    assert "Lovelace" in server.mails[0]["to"]
    with mailer.engine.connect() as connection:
        for table in ("users", "teams", "members", "submissions", "outbox"):
            rows = connection.execute(text(f"SELECT t::text FROM mailer.{table} t")).scalars().all()
            assert rows
            assert "lovelace" not in "".join(rows).lower()


async def test_a_hostile_name_adds_no_header_on_the_way_through_a_real_server(
    world: World, mailer: Mailer, server: MailServer, iris: str
) -> None:
    mallory = world.person("x\r\nBcc: victim@example.org", "mallory@example.org")
    name = "=?utf-8?q?x=0d=0aBcc:_victim@example.org?="
    world.scored(world.submission(iris, world.team("m", mallory), mallory, name), iris, acc=0.5)
    await mailer.work()
    assert server.envelopes[0].rcpt_tos == ["mallory@example.org"]
    assert "bcc" not in {key.lower() for key in server.mails[0]}


async def test_the_end_of_a_challenge_is_mailed_once_to_all_who_took_part_and_to_its_organiser_with_the_ledgers_hash(
    world: World, mailer: Mailer, server: MailServer
) -> None:
    ada, grace, organiser, other = (world.person(name, f"{name}@example.org") for name in ("ada", "grace", "organiser", "other"))
    world.challenge("wines", "Wines", organiser_id=organiser)
    # Who is in two teams, and the organiser in one, still hears of it once.
    for name, members in {"one": (ada, grace), "two": (ada, organiser)}.items():
        world.join("wines", world.team(name, *members))
    world.team("elsewhere", other)
    position = world.closed("wines")
    await mailer.work()
    await mailer.work()
    assert sorted(mail["to"].addresses[0].username for mail in server.mails) == ["ada", "grace", "organiser"]
    with mailer.engine.connect() as connection:
        statement = text("SELECT encode(hash, 'hex') FROM ledger.events WHERE position = :position")
        sealed = connection.execute(statement, {"position": position}).scalar_one()
    for mail in server.mails:
        assert mail["subject"] == "Wines has closed"
        assert f"position  {position}" in plain_text(mail)
        assert sealed in plain_text(mail)
    assert {sent.kind for sent in mailer.mails_in_ledger()} == {"challenge_closed"}


async def test_a_mail_about_the_end_of_a_challenge_goes_again_under_the_same_message_id_if_nobody_knows_whether_it_went(
    world: World, mailer: Mailer, server: MailServer
) -> None:
    world.challenge("wines", "Wines", organiser_id=world.person("ada", "ada@example.org"))
    world.closed("wines")
    await mailer.take_in()
    assert mailer.outbox.take() is not None, "as a sender that dies now"
    mailer.let_time_pass("3 minutes")
    claimed = mailer.outbox.take()
    assert claimed is not None
    mailer.let_time_pass("3 minutes")
    await mailer.work()
    assert [mail["message-id"] for mail in server.mails] == [claimed.message_id]


async def test_a_kit_whose_metrics_fail_is_told_to_its_organiser_once_a_day_without_what_it_said(
    world: World, mailer: Mailer, server: MailServer
) -> None:
    world.challenge("wines", "Wines", organiser_id=world.person("ada", "ada@example.org"))
    grace = world.person("grace", "grace@example.org")
    team = world.team("grace", grace)
    for name in ("first", "second"):
        submission = world.submission("wines", team, grace, name)
        world.scored(submission, "wines", detail_digest="6" * 64, acc=0.5, nll=None)
        world.scoring_failed(world.submission("wines", team, grace, f"{name}, broken"), "wines", "its code failed")
    await mailer.work()
    [told] = [mail for mail in server.mails if mail["to"].addresses[0].username == "ada"]
    assert told["subject"] == "The code of Wines failed while it scored"
    assert "palio challenge faults wines" in plain_text(told)
    assert "that score is missing" in plain_text(told)
    assert "666666" not in plain_text(told)
    assert len(server.mails) == 5, "the team hears of each submission"


def test_a_mail_is_about_a_submission_or_a_challenge_and_never_about_neither(mailer: Mailer) -> None:
    statement = (
        "INSERT INTO mailer.outbox (mail_id, kind, user_id, caused_by, caused_at_position, caused_at)"
        " VALUES (gen_random_uuid(), 'scored', gen_random_uuid(), gen_random_uuid(), 1, now())"
    )
    with pytest.raises(IntegrityError, match="outbox_is_about_one_thing"), mailer.engine.begin() as connection:
        connection.execute(text(statement))
