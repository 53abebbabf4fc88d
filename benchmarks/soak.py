"""500 submissions of 20 teams while a process is killed every few seconds, then everything is checked from outside.

Two of every service and four trainers; predictions are recorded, so that it is about everything but training. The last line of a run
that found something names the seed, with which the same programs are killed in the same order.

Examples:
  .venv/bin/python -m benchmarks.soak
  .venv/bin/python -m benchmarks.soak --submissions 100 --kills 20 --every 2 --seed 7 --json

"""

import random
import sys

from benchmarks.figures import Arguments, Figures, say
from tests.crash.soak import soak


def main() -> None:
    """Soak and print; exit code 1 if anything is wrong."""
    parser = Arguments(__doc__)
    parser.add_argument("--submissions", type=int, default=500, help="in all [500]")
    parser.add_argument("--teams", type=int, default=20, help="that hand them in by turns [20]")
    parser.add_argument("--kills", type=int, default=60, help="spread over the submissions [60]")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two kills, about [3]")
    parser.add_argument("--seed", type=int, help="of what is killed [any]")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    soaked = soak(options.submissions, options.teams, options.kills, options.every, seed, say)
    figures = Figures(f"soak, seed {seed}", ("submissions", "teams", "kills", "seconds", "submissions a second", "faults"))
    rate = options.submissions / soaked.seconds
    n_faults = len(soaked.faults.splitlines())
    figures.add(options.submissions, options.teams, sum(soaked.kills.values()), soaked.seconds, rate, n_faults)
    figures.print(as_json=options.json)
    if soaked.faults:
        say(soaked.faults)
        sys.exit(1)


if __name__ == "__main__":
    main()
