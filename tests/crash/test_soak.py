"""Two of every service and four trainers at once, and a kill every second or two."""

import random

from tests.crash.soak import soak


def test_nothing_is_lost_and_nothing_happens_twice_while_anything_may_be_killed() -> None:
    seed = random.randrange(2**32)
    soaked = soak(n_submissions=40, n_teams=20, n_kills=8, every_s=1.0, seed=seed)
    assert soaked.faults == "", f"seed {seed}, kills {dict(soaked.kills)}"
    assert soaked.kills
