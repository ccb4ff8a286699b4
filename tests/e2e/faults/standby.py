"""A streaming standby of a PostgreSQL cluster of one's own, as PostgreSQL's manual sets one up."""

import os
import signal
import subprocess
from urllib.parse import quote

from local.postgres_cluster import PostgresCluster, kBinaries, kSuperuser
from local.process import StartFailed, wait_until

kSoon_s = 60


class Standby(PostgresCluster):
    """Listens on the primary's port, on another loopback address: as two machines would."""

    name = "the standby"

    def __init__(self, directory, primary):
        super().__init__(directory, {"listen_addresses": "127.0.0.2"})
        self.host = "127.0.0.2"
        self.primary = primary
        self._state["superuser_password"] = primary.superuser_password

    def start(self):
        super().start()
        wait_until(self._senders, kSoon_s, "the standby streams")

    def promote(self):
        """The primary is gone: returns when this one takes writes."""
        assert self.psql("SELECT pg_promote()") == "t"

    def falls_behind(self):
        """From now on the primary's commits do not reach it."""
        for sender in self._senders():
            os.kill(sender, signal.SIGSTOP)

    def _senders(self):
        return [int(pid) for pid in self.primary.psql("SELECT pid FROM pg_stat_replication WHERE state = 'streaming'").split()]

    def _settle_port(self, key="port"):
        self._remember(**{key: self.primary.port})
        return self.port

    def _initialize(self):
        source = (f"postgresql://{kSuperuser}:{quote(self.primary.superuser_password, safe='')}"
                  f"@{self.primary.host}:{self.primary.port}")
        command = [*self._as_server_user(), str(kBinaries / "pg_basebackup"), "-D", str(self.data), "-d", source,
                   "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise StartFailed(f"pg_basebackup failed\n{done.stderr}")
