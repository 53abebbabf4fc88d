"""What is said in passing: kept in bounds, and told to whoever looks at that submission."""

import asyncio
from uuid import UUID, uuid4

from services.leaderboard.live import MAX_CHARS, MAX_FOLDS, MAX_POOL_CHARS, MAX_SUBMISSIONS, Live
from shared.bus.telemetry import MAX_LINES_CHARS, LogLines, QueuePlace, QueueSnapshot


def snapshot(*submissions: UUID, pool: str = "default") -> QueueSnapshot:
    places = tuple(
        QueuePlace(submission_id=submission, position=number, estimated_wait_s=10.0 * number)
        for number, submission in enumerate(submissions, start=1)
    )
    return QueueSnapshot(pool=pool, places=places)


async def test_the_newest_places_of_each_pool_count() -> None:
    live, first, second, elsewhere = Live(), uuid4(), uuid4(), uuid4()
    await live.hear(snapshot(first, second), "orchestrator")
    await live.hear(snapshot(elsewhere, pool="gpu"), "orchestrator")
    place = live.place(second)
    assert place is not None
    assert (place.place.position, place.place.estimated_wait_s, place.is_paused) == (2, 20.0, False)
    await live.hear(snapshot(second), "orchestrator")
    assert live.place(first) is None
    moved = live.place(second)
    assert moved is not None
    assert moved.place.position == 1
    assert live.place(elsewhere) is not None


async def test_a_pool_that_is_paused_is_told_to_who_watches_what_waits_there() -> None:
    live, mine = Live(), uuid4()
    await live.hear(snapshot(mine), "orchestrator")
    with live.watching("default", mine) as watcher:
        await live.hear(snapshot(mine).model_copy(update={"state": "paused", "reason": "new disks"}), "orchestrator")
        await asyncio.wait_for(watcher.wait(), 10)
    waiting = live.place(mine)
    assert waiting is not None
    assert (waiting.is_paused, waiting.reason) == (True, "new disks")


async def test_who_watches_a_submission_is_woken_by_its_lines_and_its_place_and_by_nothing_else() -> None:
    live, mine, other = Live(), uuid4(), uuid4()
    with live.watching("default", mine) as watcher:
        await live.hear(LogLines(submission_id=other, fold=0, text="not mine"), "trainer-default")
        await live.hear(snapshot(other), "orchestrator")
        waiting = asyncio.ensure_future(watcher.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        await live.hear(LogLines(submission_id=mine, fold=1, text="epoch 1\n"), "trainer-default")
        await waiting
        assert [(each.fold, each.text) for each in watcher.take()] == [(1, "epoch 1\n")]
        await live.hear(snapshot(other, mine), "orchestrator")
        await watcher.wait()
        assert watcher.take() == []
    assert live.text("default", mine, 1) == "epoch 1\n"


async def test_what_is_printed_without_end_is_kept_in_bounds() -> None:
    live, mine = Live(), uuid4()
    with live.watching("default", mine) as watcher:
        for _ in range(20):
            await live.hear(LogLines(submission_id=mine, fold=0, text="x" * MAX_LINES_CHARS), "trainer-default")
        assert len(live.text("default", mine, 0)) == MAX_CHARS
        assert sum(len(each.text) for each in watcher.take()) <= MAX_CHARS + MAX_LINES_CHARS
    for _ in range(MAX_SUBMISSIONS):
        await live.hear(LogLines(submission_id=uuid4(), fold=0, text="y"), "trainer-default")
    assert live.text("default", mine, 0) == ""


async def test_a_trainer_can_put_no_words_into_the_log_of_another_pools_submission() -> None:
    live, mine = Live(), uuid4()
    with live.watching("default", mine) as watcher:
        await live.hear(LogLines(submission_id=mine, fold=0, text="your label is 1"), "trainer-other")
        await live.hear(LogLines(submission_id=mine, fold=0, text="honest"), "trainer-default")
        assert [each.text for each in watcher.take()] == ["honest"]
    assert live.text("default", mine, 0) == "honest"


async def test_a_trainer_that_says_much_crowds_out_its_own_pools_lines_only() -> None:
    live, mine, theirs = Live(), uuid4(), uuid4()
    await live.hear(LogLines(submission_id=mine, fold=0, text="kept"), "trainer-default")
    for fold in range(MAX_FOLDS + 1):
        await live.hear(LogLines(submission_id=theirs, fold=fold, text="x"), "trainer-other")
    assert (live.text("other", theirs, 0), live.text("other", theirs, MAX_FOLDS)) == ("", "x")
    other = uuid4()
    whole, rest = divmod(MAX_POOL_CHARS, MAX_LINES_CHARS)
    for fold, length in enumerate([*[MAX_LINES_CHARS] * whole, rest]):
        await live.hear(LogLines(submission_id=other, fold=fold, text="y" * length), "trainer-other")
    assert live.text("other", other, 0)
    assert live.text("other", theirs, MAX_FOLDS) == ""
    assert live.text("default", mine, 0) == "kept"
