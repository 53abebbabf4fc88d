"""Each service is killed at every step of a submission's way: before and after each commit, publish, upload, acknowledgement.

In a round one process of each service dies, each at a step of its own, on the way of the same submission. After all of them
somebody who knows nothing of our code looks whether everybody got what they were promised.
"""

from itertools import zip_longest

import pytest

from tests.crash.world import World

INGEST = ("ingest.stored", "append.SubmissionUploaded", "ingest.recorded")
RELAY = ("relay.read", "relay.confirmed", "relay.advanced")
ORCHESTRATOR = (
    "append.TrainingRequested",
    "orchestrator.released",
    "append.TrainingStarted",
    "append.TrainingFinished",
    "orchestrator.decided",
    "projection.orchestrator.written",
    "projection.orchestrator.committed",
    "orchestrator.events.handled",
    "orchestrator.events.acknowledged",
    "orchestrator.reports.handled",
    "orchestrator.reports.acknowledged",
)
TRAINER = (
    "trainer.ready",
    "trainer.started",
    "trainer.trained",
    "trainer.uploaded",
    "trainer.reported",
    "trainer.default.handled",
    "trainer.default.acknowledged",
)
SCORER = (
    "scorer.computed",
    "append.ScoreComputed",
    "scorer.recorded",
    "scorer.events.handled",
    "scorer.events.acknowledged",
    "scorer.ensemble_computed",
    "append.EnsembleComputed",
    "projection.scorer.written",
)
LEADERBOARD = (
    "projection.leaderboard.written",
    "projection.leaderboard.committed",
    "leaderboard.events.handled",
    "leaderboard.events.acknowledged",
)
MAILER = (
    "projection.mailer.written",
    "projection.mailer.committed",
    "mailer.events.handled",
    "mailer.events.acknowledged",
    "mailer.taken",
    "mailer.accepted",
    "append.MailSent",
    "mailer.recorded",
)
ROUNDS = [
    tuple(filter(None, points)) for points in zip_longest(INGEST, RELAY, ORCHESTRATOR, TRAINER, SCORER, LEADERBOARD, MAILER)
]


@pytest.mark.parametrize("points", ROUNDS, ids=" ".join)
def test_a_submission_gets_there_though_each_service_dies_on_its_way(points: tuple[str, ...], hurt: World) -> None:
    hurt.arm(*points)
    submission = hurt.submit(fails=len(hurt.acknowledged) % 4 == 3)
    hurt.wait_for_states(submission.state, of=submission)
    hurt.wait_until_fired()


def test_nothing_was_lost_and_nothing_happened_twice(hurt: World) -> None:
    assert hurt.faults() == ""
    assert hurt.differences() == ""
