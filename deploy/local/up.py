"""`python -m deploy.local.up`, which `script/up` ends in: a whole platform, the demonstration, then running until told to end."""

import argparse
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from rich.console import Console

from deploy.local.boards import participant, show_filling
from deploy.local.demo import KITS, ORGANISER, PARTICIPANT, Demonstration
from deploy.local.mailcatcher import caught_mails
from deploy.local.narration import Narration
from deploy.local.services import ROOT, Processes
from deploy.local.stack import Stack
from deploy.local.trouble import TroubleError

_LEAST_FREE_BYTES = 2 * 2**30
_LOOK_EVERY_S = 1.0
#: How long the mails about the starters are waited for after the boards are full.
_MAIL_LIMIT_S = 60


class _ToldToEndError(BaseException):
    """Ctrl-C, or SIGTERM. No `Exception`, so that nothing takes it for a fault on its way out."""


def main() -> int:
    """Run; returns the exit code: 0 when told to end, 1 when something must be mended first."""
    options = _options()
    narration = Narration(Console(highlight=False))
    running = False
    try:
        _end_on_signals()
        _check_disk(options.folder)
        stack = Stack(
            options.folder, front_port=options.port, processes=Processes(trainers=options.trainers), report=narration.say
        )
        try:
            _start(stack, narration, options.restore)
            running = True
            if options.demo:
                _demonstrate(stack, narration)
            if not options.exit_after_demo:
                narration.say(f"The platform runs at {stack.origin}, logs are in {stack.log_folder}. Ctrl-C ends it.")
                _wait(stack, narration)
        finally:
            if stack.runs:
                narration.say("ending every process")
            stack.stop()
    except _ToldToEndError:
        return 0 if running else 130
    except TroubleError as trouble:
        sys.stdout.flush()
        sys.stderr.write(f"script/up: {trouble}\n")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/up", description="Start the whole platform on this machine.")
    parser.add_argument("--port", type=_port, default=8700, help="the front door's port on 127.0.0.1 [8700]")
    parser.add_argument("--folder", type=Path, default=ROOT / ".palio", help="where all data are kept [.palio]")
    parser.add_argument(
        "--trainers", type=int, choices=range(1, 17), default=1, metavar="N", help="number of trainers, 1 to 16 [1]"
    )
    parser.add_argument(
        "--restore",
        type=Path,
        metavar="BACKUPS",
        help="make the platform from the newest backup in a folder (palio backup), with mail turned off, and no demonstration",
    )
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="leave the demonstration out")
    parser.add_argument("--exit-after-demo", action="store_true", help="end when the boards are filled")
    # script/up changes to the repository; a relative folder is meant from where the person stood.
    parser.add_argument("--from", dest="stood", type=Path, default=Path(), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder = options.stood / options.folder
    if options.restore is not None:
        options.restore = options.stood / options.restore
        options.demo = False
    return options


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:  # noqa: PLR2004 (what a port may be)
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def _end_on_signals() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(_number: int, _frame: FrameType | None) -> None:
        # A second Ctrl-C must not interrupt the ending: half of it would stay.
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise _ToldToEndError

    for number in numbers:
        signal.signal(number, end)


def _check_disk(folder: Path) -> None:
    existing = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < _LEAST_FREE_BYTES:
        message = f"{existing} has {free / 2**30:.1f} GiB free, {_LEAST_FREE_BYTES / 2**30:.0f} are needed: make room, or name another --folder."
        raise TroubleError(message)


def _start(stack: Stack, narration: Narration, backups: Path | None) -> None:
    with narration.step("starting PostgreSQL, RabbitMQ and SeaweedFS"):
        stack.start_servers()
    with narration.step("migrating the database, making buckets"):
        stack.migrate()
    if backups is not None:
        with narration.step(f"restoring the newest backup in {backups}"):
            checked = stack.restore(backups)
        for line in checked.splitlines():
            narration.say(line)
    with narration.step("starting the services"):
        stack.start_services()


def _demonstrate(stack: Stack, narration: Narration) -> None:
    demonstration = Demonstration(stack, narration)
    with narration.step("demonstration: making two accounts"):
        demonstration.prepare_people()
    for kit in KITS:
        with narration.step(f"demonstration: opening the challenge {kit.name}"):
            demonstration.open_challenge(kit)
        with narration.step(f"demonstration: submitting the starter of {kit.name}"):
            demonstration.submit_starter(kit)
    with participant(stack.origin, PARTICIPANT, demonstration.password(PARTICIPANT)) as client:
        show_filling(client, [kit.name for kit in KITS], narration)
    _show_mails(stack, narration)
    for name in (ORGANISER, PARTICIPANT):
        # To the person at the terminal; a redirected output is a log, in which no password may stand.
        kept = f"is in {stack.path / 'secrets' / 'credentials.json'}"
        password = demonstration.password(name) if sys.stdout.isatty() else kept
        narration.say(f"log in at {stack.origin} as {name}, password {password}")


def _show_mails(stack: Stack, narration: Narration) -> None:
    """Wait, bounded, for a mail about each starter, and say what came."""
    with narration.step("waiting for the mails"):
        for _ in range(int(_MAIL_LIMIT_S / _LOOK_EVERY_S)):
            if len([mail for mail in caught_mails(stack.mail_folder) if PARTICIPANT in mail["To"]]) >= len(KITS):
                break
            threading.Event().wait(_LOOK_EVERY_S)
    for mail in caught_mails(stack.mail_folder):
        narration.say(f"mail to {mail['To']}: {mail['Subject']}")
    narration.say(f"read them: .venv/bin/python -m deploy.local.mailcatcher --show '{stack.mail_folder}'")


def _wait(stack: Stack, narration: Narration) -> None:
    """Until a signal comes, saying what mail is caught. Raises `TroubleError` when the supervisor is gone."""
    told = len(caught_mails(stack.mail_folder))
    while not stack.supervisor.has_ended():
        threading.Event().wait(_LOOK_EVERY_S)
        mails = caught_mails(stack.mail_folder)
        for mail in mails[told:]:
            narration.say(f"mail to {mail['To']}: {mail['Subject']}")
        told = len(mails)
    raise TroubleError(f"The supervisor has ended; the end of its log is in {stack.log_folder / 'supervisord.log'}. Start again.")


if __name__ == "__main__":
    sys.exit(main())
