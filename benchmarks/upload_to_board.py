"""Seconds from the upload of a starter to the board that shows it, beside `palio test` and bare `ramp-test`, in one run.

Medians. The starters train for milliseconds: what is measured is everything around training.

Examples:
  .venv/bin/python -m benchmarks.upload_to_board
  .venv/bin/python -m benchmarks.upload_to_board --repeats 15 --json

"""

import shutil
import sys

from benchmarks.figures import Arguments, Figures
from benchmarks.people import STARTER, environment_of, here, median_seconds, open_challenge, platform, starter, upload_to_board
from deploy.local.services import ROOT

KITS = {"iris": ROOT / "kits/iris", "digits": ROOT / "kits/digits", "ramp_iris": ROOT / "tests/kits/ramp_iris"}


def main() -> None:
    """Measure and print."""
    parser = Arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="how often each is done [7]")
    options = parser.parse_args()
    headings = ("kit", "upload to board, s", "palio test, s", "ratio to it", "ramp-test, s", "ratio to that")
    figures = Figures(f"from upload to board, medians of {options.repeats}", headings)
    with platform() as stage:
        participant = stage.participant
        for kit, source in KITS.items():
            open_challenge(stage, kit, source)
            files = starter(source)
            # Once outside the measurement: both sides then have their files in the host's cache.
            upload_to_board(participant, kit, files, "warm-up")
            ours = median_seconds(lambda number: upload_to_board(participant, kit, files, f"run {number}"), options.repeats)
            folder = stage.folder / kit
            shutil.copytree(source, folder)
            python = environment_of(participant, kit, folder)
            if not (folder / "data").is_dir():
                here(folder, [python, "prepare_data.py"])
            own_test = median_seconds(
                lambda _: here(folder, [sys.executable, "-m", "palio", "test", folder, STARTER]), options.repeats
            )
            ramp_test, ramp = python.parent / "ramp-test", None
            if ramp_test.exists():
                ramp = median_seconds(lambda _: here(folder, [ramp_test, "--submission", STARTER]), options.repeats)
            figures.add(kit, ours, own_test, ours / own_test, ramp, None if ramp is None else ours / ramp)
    figures.print(as_json=options.json)


if __name__ == "__main__":
    main()
