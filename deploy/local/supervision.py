"""supervisord: keeps a stack's programs running, restarts what dies, and ends them in order."""

import http.client
import json
import resource
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from deploy.local.credentials import write_private
from deploy.local.program import MARK, Program, base_environment
from deploy.local.trouble import TroubleError

_LAUNCHER = Path(__file__).with_name("launch.py")
_ANSWER_LIMIT_S = 20
#: A program that was started this often without becoming ready will not become so by another try.
_STARTS_BEFORE_GIVING_UP = 3
_MAX_OPEN_FILES = 65_536


class Supervisor:
    """The supervisord of one stack. Its files are in `run_folder`, its socket in `socket_folder`, logs in `log_folder`."""

    def __init__(self, run_folder: Path, socket_folder: Path, log_folder: Path, mark: str) -> None:
        """Nothing is started or written yet."""
        self._run_folder = run_folder
        self._socket = socket_folder / "supervisor.sock"
        self._log_folder = log_folder
        self._mark = mark
        self._groups: Mapping[str, Sequence[Program]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, groups: Mapping[str, Sequence[Program]]) -> None:
        """Start supervisord itself, which starts none of the programs yet. Raises `TroubleError`.

        Groups are ended one after the other, the last one first. Must be called by a thread that lives as long as the stack:
        the kernel ends supervisord when that thread dies, so that nothing is left when the starter is killed.
        """
        self._groups = groups
        self._write_files()
        # A session of its own: Ctrl-C in a terminal reaches only the starter, which ends the programs in order.
        with (self._log_folder / "supervisord.out").open("ab") as output:
            self._process = subprocess.Popen(
                ["./python", "-IS", "./launch.py", "./supervisord.json"],
                cwd=self._run_folder,
                env={MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _ANSWER_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TroubleError(f"The supervisor does not start; its last words: {self._last_line('supervisord.out')}")
            time.sleep(0.02)

    def start_group(self, group: str, *, limit_s: float) -> None:
        """Start the programs of a group and wait until each is ready. Raises `TroubleError` naming the one that is not."""
        self._call("startProcessGroup", group, False)
        self.wait_ready(self._groups[group], limit_s=limit_s)

    def wait_ready(self, programs: Sequence[Program], *, limit_s: float) -> None:
        """Wait until programs that were told to start are ready. Raises `TroubleError`."""
        starts: dict[str, set[int]] = {program.name: set() for program in programs}
        waiting = list(programs)
        deadline = time.monotonic() + limit_s
        while waiting := [program for program in waiting if not program.is_ready()]:
            states = self._states()
            for program in waiting:
                starts[program.name].add(states[program.name]["pid"])
                hopeless = states[program.name]["statename"] == "FATAL" or len(starts[program.name]) > _STARTS_BEFORE_GIVING_UP
                if hopeless or time.monotonic() > deadline:
                    raise TroubleError(self._complaint(program.name))
            time.sleep(0.05)

    def start_program(self, name: str) -> None:
        """Start one program; it need not be ready when this returns."""
        self._call("startProcess", self._full_name(name), False)

    def stop_program(self, name: str) -> None:
        """End one program and keep it ended. Returns when it has ended."""
        self._call("stopProcess", self._full_name(name), True)

    def pid(self, name: str) -> int | None:
        """The process id of a program, or None while it does not run."""
        return self._states()[name]["pid"] or None

    def program(self, name: str) -> Program:
        """The program of this name."""
        return next(program for programs in self._groups.values() for program in programs if program.name == name)

    def stop(self) -> None:
        """End all programs in order, then supervisord. A second call does nothing."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        longest = sum(max((program.stop_wait_s for program in programs), default=0) + 2 for programs in self._groups.values())
        try:
            self._process.wait(longest)
        except subprocess.TimeoutExpired:
            # Whoever owns the stack ends everything that carries its mark next.
            self._process.kill()
            self._process.wait()
        self._process = None

    def has_ended(self) -> bool:
        """Whether supervisord is gone, and with it all programs."""
        return self._process is None or self._process.poll() is not None

    def _write_files(self) -> None:
        # Links without spaces or percent signs, since supervisord's own file has quoting rules that such paths break.
        for name, target in (("python", Path(sys.executable)), ("launch.py", _LAUNCHER)):
            link = self._run_folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)
        # supervisord gets this environment, and what it starts gets it too until launch.py replaces it by the program's own.
        self._write_specification(
            "supervisord",
            (sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", "supervisord.conf"),
            base_environment(self._run_folder),
            self._run_folder,
            "TERM",
        )
        for programs in self._groups.values():
            for program in programs:
                self._write_specification(
                    program.name, program.command, program.environment, program.directory, program.stop_signal
                )
        write_private(self._run_folder / "supervisord.conf", self._configuration())

    def _write_specification(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], directory: Path, parent_death_signal: str
    ) -> None:
        specification = {
            "command": list(command),
            "environment": {**environment, MARK: self._mark},
            "directory": str(directory),
            "parent_death_signal": f"SIG{parent_death_signal}",
        }
        write_private(self._run_folder / f"{name}.json", json.dumps(specification))

    def _configuration(self) -> str:
        open_files = min(_MAX_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        lines = [
            *("[supervisord]", "logfile=../log/supervisord.log", "logfile_maxbytes=5MB", "logfile_backups=1"),
            *("pidfile=supervisord.pid", "childlogdir=../log", f"minfds={open_files}"),
            *("[unix_http_server]", f"file={self._socket}", "chmod=0600"),
            *("[rpcinterface:supervisor]", "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface"),
        ]
        for priority, (group, programs) in enumerate(self._groups.items()):
            names = ",".join(program.name for program in programs)
            lines += [f"[group:{group}]", f"programs={names}", f"priority={priority}"]
            for program in programs:
                lines += _program_section(program)
        return "\n".join(lines) + "\n"

    def _full_name(self, name: str) -> str:
        group = next(group for group, programs in self._groups.items() if any(program.name == name for program in programs))
        return f"{group}:{name}"

    def _states(self) -> dict[str, dict[str, Any]]:
        return {info["name"]: info for info in self._call("getAllProcessInfo")}

    def _call(self, method: str, *arguments: object) -> Any:
        # A proxy a call: they may not be shared among threads, and a connection costs nothing here.
        proxy: Any = xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{self._socket}")
        )
        with proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _answers(self) -> bool:
        try:
            self._call("getState")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False
        return True

    def _complaint(self, name: str) -> str:
        title = self.program(name).title or name
        return f"{title} does not become ready; the end of {self._log_folder / name}.log: {self._last_line(f'{name}.log')}"

    def _last_line(self, log: str) -> str:
        path = self._log_folder / log
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else "(empty)"


def _program_section(program: Program) -> list[str]:
    return [
        f"[program:{program.name}]",
        f"command=./python -IS ./launch.py ./{program.name}.json",
        "autostart=false",
        "autorestart=true",
        # One that dies within two seconds is tried again after 1, 2, 3, … seconds; one that ran longer at once.
        "startsecs=2",
        "startretries=60",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={program.stop_wait_s}",
        "killasgroup=true",
        "redirect_stderr=true",
        f"stdout_logfile=../log/{program.name}.log",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=2",
    ]
