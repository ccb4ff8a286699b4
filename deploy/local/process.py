"""Processes that are started here, found again by a later run, and ended by identity, never by name."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

kPollSeconds = 0.02
kLowestPort = 15000


class StartFailed(Exception):
    """A server did not come up; the message says which, and ends with the last lines of its log."""


def wait_until(condition: Callable[[], object], deadline_s: float, what: str) -> object:
    """Returns the first true value of condition(); raises TimeoutError naming `what` after deadline_s seconds."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {deadline_s:g} s: {what}")
        time.sleep(kPollSeconds)


def free_port() -> int:
    """A loopback port nobody listens on, below the range of outgoing connections.

    A port of that range could be taken by any client while the server is down, even by one that tries to
    reconnect to it (a TCP connection to oneself).
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(kLowestPort, lowest_outgoing) if lowest_outgoing > kLowestPort + 1000 else range(kLowestPort, 65536)
    for port in random.SystemRandom().sample(ports, 200):
        if port_is_free(port):
            return port
    raise StartFailed("no free port on 127.0.0.1")


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def log_tail(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


class Process:
    """One process, known by its id and the moment it started, so that a reused id is never taken for it."""

    def __init__(self, pid: int, start_ticks: int):
        self.pid = pid
        self.start_ticks = start_ticks
        self.exit_code: int | None = None  # known once a child of this process has ended; -9 after a kill

    @staticmethod
    def start(command: list[str], log: Path, *, user: str | None = None, end_with_parent: str | None = None,
              environment: dict[str, str] | None = None) -> "Process":
        """Starts the command in a session of its own, its output appended to `log`.

        user: run as that user (only root can). end_with_parent: the signal it gets when the thread that
        started it ends, for instance "KILL"; None: it outlives its parent.
        """
        prefix = ["setpriv"]
        if user is not None:
            prefix += ["--reuid", user, "--regid", user, "--init-groups"]
        if end_with_parent is not None:
            prefix += ["--pdeathsig", end_with_parent]
        full = [*prefix, *command] if len(prefix) > 1 else command
        with open(log, "ab") as output:
            child = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                     start_new_session=True, env=environment, cwd="/")
        child.returncode = 0  # this class waits for it; Popen must neither wait nor warn
        ticks = _start_ticks(child.pid)
        return Process(child.pid, ticks if ticks is not None else -1)

    @staticmethod
    def from_state(state: dict | None) -> "Process | None":
        return Process(state["pid"], state["start_ticks"]) if state else None

    def state(self) -> dict:
        return {"pid": self.pid, "start_ticks": self.start_ticks}

    def alive(self) -> bool:
        """A child lives until all of its threads have ended, its first one may be gone by then."""
        if self.exit_code is not None:
            return False
        try:
            reaped, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # not a child of this process: whoever started it collects it
            return _start_ticks(self.pid) == self.start_ticks
        if reaped != 0:
            self.exit_code = os.waitstatus_to_exitcode(status)
        return reaped == 0

    def signal(self, number: signal.Signals) -> None:
        """Does nothing when the process has ended."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass

    def wait_end(self, deadline_s: float) -> None:
        wait_until(lambda: not self.alive(), deadline_s, f"the end of process {self.pid}")

    def children(self) -> list["Process"]:
        return [child for child in _all_processes() if _parent(child.pid) == self.pid]


def _stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (man 5 proc, field 3); None where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _start_ticks(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _parent(pid: int) -> int | None:
    fields = _stat_fields(pid)
    return int(fields[1]) if fields else None


def _all_processes() -> list[Process]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            ticks = _start_ticks(int(entry))
            if ticks is not None:
                found.append(Process(int(entry), ticks))
    return found
