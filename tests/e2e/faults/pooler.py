"""pgbouncer in transaction mode: a session of the server belongs to a client for one transaction only."""

import os
import shutil
import signal
import socket

from local.postgres_cluster import kServerUser
from local.server import Server


class TransactionPooler(Server):
    """In front of a cluster, for the roles whose passwords are given. pool_size: sessions of the server at most."""

    name = "pgbouncer"
    owner_death_signal = "KILL"

    def __init__(self, directory, cluster, passwords, pool_size):
        super().__init__(directory)
        self._cluster = cluster
        self._passwords = passwords
        self._pool_size = pool_size
        self._user = kServerUser if os.geteuid() == 0 else None  # pgbouncer refuses to run as root

    def remove(self):
        shutil.rmtree(self.directory)

    def _create(self):
        users = self._write("users.txt", "".join(f'"{user}" "{password}"\n' for user, password in self._passwords.items()))
        self._config = self._write("pgbouncer.ini", f"""[databases]
* = host={self._cluster.host} port={self._cluster.port}
[pgbouncer]
listen_addr = {self.host}
listen_port = {self._settle_port()}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {self._pool_size}
""")

    def _write(self, name, text):
        file = self.directory / name
        file.write_text(text)
        if self._user:
            shutil.chown(file, self._user)
        return file

    def _launch(self):
        self._run(["pgbouncer", str(self._config)], user=self._user)

    def _ready(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def _stop_signal(self):
        return signal.SIGTERM
