"""Seconds from upload to board for a kit of 8 folds that train for real, beside bare `ramp-test` on the same machine.

Each fold takes so many seconds of CPU (`time.thread_time`) and is written with ramp-workflow; `ramp-test` runs in the very
environment that the platform locked. The platform trains on one trainer of 1 slot, then on one of 2. Medians; what trains for
more than a second a fold is done once.

Examples:
  .venv/bin/python -m benchmarks.slow_folds
  .venv/bin/python -m benchmarks.slow_folds --cpu-s 10 --slots 1 2 4 --json

"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import Arguments, Figures, say
from benchmarks.people import (
    KITS,
    STARTER,
    Platform,
    environment_of,
    here,
    median_seconds,
    open_challenge,
    platform,
    starter,
    upload_to_board,
)
from deploy.local.trainers import trainer

KIT = KITS / "eight_folds"
POOL = "measured"
#: What the starter has in its place.
_CPU_S = b"CPU_S = 0.0"


def files_for(cpu_s: float) -> Mapping[str, bytes]:
    """The starter with so much to do on each fold."""
    return {name: content.replace(_CPU_S, f"CPU_S = {cpu_s}".encode()) for name, content in starter(KIT).items()}


def times(cpu_s: float, repeats: int) -> int:
    """How often a submission is done."""
    return repeats if cpu_s <= 1 else 1


def on_platform(stage: Platform, slots: int, all_cpu_s: list[float], repeats: int) -> dict[float, float]:
    """Seconds from upload to board, by seconds of CPU a fold, with one trainer of so many slots."""
    seconds = {}
    with trainer(stage.stack, POOL, stage.folder, slots=slots):
        # Files are in the trainer's cache and sandboxes stand by, as with every submission but a challenge's first.
        upload_to_board(stage.participant, POOL, files_for(0), f"slots {slots}, warm-up")
        for cpu_s in all_cpu_s:
            files, name = files_for(cpu_s), f"slots {slots}, {cpu_s} s a fold"
            seconds[cpu_s] = median_seconds(
                lambda number: upload_to_board(stage.participant, POOL, files, f"{name}, {number}"), times(cpu_s, repeats)
            )
            say(f"{name}: {seconds[cpu_s]:.2f} s")
    return seconds


def bare(stage: Platform, all_cpu_s: list[float], repeats: int) -> dict[float, float]:
    """Seconds that `ramp-test` takes, by seconds of CPU a fold."""
    folder = stage.folder / "bare"
    shutil.copytree(KIT, folder)
    ramp_test = environment_of(stage.participant, POOL, folder).parent / "ramp-test"
    here(folder, [ramp_test, "--submission", STARTER])
    seconds = {}
    for cpu_s in all_cpu_s:
        command: list[str | Path] = [ramp_test, "--submission", _written(folder, cpu_s)]
        seconds[cpu_s] = median_seconds(lambda _: here(folder, command), times(cpu_s, repeats))
        say(f"ramp-test, {cpu_s} s a fold: {seconds[cpu_s]:.2f} s")
    return seconds


def _written(kit: Path, cpu_s: float) -> str:
    """Write the submission into a kit; returns its name."""
    submission = kit / "submissions" / f"cpu_{cpu_s}"
    submission.mkdir()
    for name, content in files_for(cpu_s).items():
        (submission / name).write_bytes(content)
    return submission.name


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--cpu-s", type=float, nargs="+", default=[0.1, 1.0, 10.0], help="seconds of CPU a fold [0.1 1 10]")
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2], help="slots of the trainer [1 2]")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is done [3]")
    options = parser.parse_args()
    with platform(other_pools=[POOL]) as stage:
        open_challenge(stage, POOL, KIT, {"pool": POOL})
        ours = {slots: on_platform(stage, slots, options.cpu_s, options.repeats) for slots in options.slots}
        ramp = bare(stage, options.cpu_s, options.repeats)
    by_slots = [heading for slots in options.slots for heading in (f"slots {slots}, s", f"slots {slots}, ratio")]
    figures = Figures("8 folds of training, from upload to board", ("CPU a fold, s", "ramp-test, s", *by_slots))
    for cpu_s in options.cpu_s:
        ratios = [cell for slots in options.slots for cell in (ours[slots][cpu_s], ours[slots][cpu_s] / ramp[cpu_s])]
        figures.add(str(cpu_s), ramp[cpu_s], *ratios)
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
