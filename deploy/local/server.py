"""What the PostgreSQL cluster and the Kafka broker have in common."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from .process import Process, StartFailed, free_port, log_tail, port_is_free, wait_until

kStartDeadlineSeconds = 60
kStopDeadlineSeconds = 60


class Server:
    """A server whose files lie in one directory, where a later run finds it again by `server.json` (mode 0600).

    die_with_owner: it ends when the thread that called start() does, whatever ends that; for tests.
    A port is chosen once; a restart keeps it, unless somebody else took it while the server was down.
    """

    name = ""                 # for messages
    owner_death_signal = ""   # what it gets when its owner dies

    def __init__(self, directory: Path | str, *, die_with_owner: bool = True):
        self.directory = Path(directory).absolute()
        self.host = "127.0.0.1"
        self._die_with_owner = die_with_owner
        self._state_file = self.directory / "server.json"
        self._state = json.loads(self._state_file.read_text()) if self._state_file.exists() else {}
        self._process = Process.from_state(self._state.get("process"))

    @property
    def port(self) -> int:
        return self._state["port"]

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running() else None

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def running(self) -> bool:
        return self._process is not None and self._process.alive()

    def start(self) -> None:
        """Makes the server where it is new, starts it where it does not run, and waits until it takes clients.

        Raises StartFailed with the end of the log; then nothing runs.
        """
        if self.running():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._create()
        self._launch()
        try:
            wait_until(lambda: not self.running() or self._ready(), kStartDeadlineSeconds, f"{self.name} ready")
        except TimeoutError as late:
            self.kill()
            raise StartFailed(f"{self.name}: {late}\n{log_tail(self.log)}") from late
        if not self.running():
            raise StartFailed(f"{self.name} ended while it started\n{log_tail(self.log)}")

    def stop(self) -> None:
        """Ends it in order; by force after a minute. Does nothing when it does not run."""
        if self._process is None:
            return
        self._process.signal(self._stop_signal())
        try:
            self._process.wait_end(kStopDeadlineSeconds)
        except TimeoutError:
            self.kill()
        self._forget_process()

    def kill(self) -> None:
        """kill -9 to it and to the processes it started, as when the machine loses power; returns when all are gone."""
        if self._process is None:
            return
        everyone = [self._process, *self._process.children()]
        for process in everyone:
            process.signal(signal.SIGKILL)
        for process in everyone:
            process.wait_end(kStopDeadlineSeconds)
        self._forget_process()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP to the main process: it keeps its connections and answers nothing."""
        self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.signal(signal.SIGCONT)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_unused) -> None:
        self.kill()
        self.remove()

    def remove(self) -> None:
        """Deletes every file of a stopped server."""
        raise NotImplementedError

    def _create(self) -> None:
        raise NotImplementedError

    def _launch(self) -> None:
        raise NotImplementedError

    def _ready(self) -> bool:
        raise NotImplementedError

    def _stop_signal(self) -> signal.Signals:
        raise NotImplementedError

    def _settle_port(self, key: str = "port") -> int:
        if key not in self._state or not port_is_free(self._state[key]):
            self._remember(**{key: free_port()})
        return self._state[key]

    def _run(self, command: list[str], **options) -> None:
        signal_name = self.owner_death_signal if self._die_with_owner else None
        self._process = Process.start(command, self.log, end_with_parent=signal_name, **options)
        self._remember(process=self._process.state())

    def _forget_process(self) -> None:
        self._process = None
        self._remember(process=None)

    def _remember(self, **values) -> None:
        self._state.update(values)
        new = self._state_file.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._state, file, indent=1)
        new.replace(self._state_file)
