"""A private PostgreSQL cluster: loopback TCP only, passwords only (SCRAM), checksums and fsync on."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .process import StartFailed
from .server import Server

kBinaries = Path("/usr/lib/postgresql/15/bin")
kServerUser = "postgres"
kSuperuser = "postgres"
kSettings = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "logging_collector": "off",
}
kHba = """host all all 127.0.0.0/8 scram-sha-256
host replication all 127.0.0.0/8 scram-sha-256
"""


class PostgresCluster(Server):
    """One cluster in `directory`. settings: lines for postgresql.conf, kept for later starts.

    PostgreSQL refuses to run as root: there it runs as the user postgres, and where that user cannot reach
    `directory` the data lie in a directory of their own under /var/tmp, recorded in server.json.
    """

    name = "PostgreSQL"
    owner_death_signal = "QUIT"

    def __init__(self, directory: Path | str, settings: dict | None = None, *, die_with_owner: bool = True):
        super().__init__(directory, die_with_owner=die_with_owner)
        if settings is not None:
            self._state["settings"] = settings

    @property
    def superuser_password(self) -> str:
        return self._state["superuser_password"]

    @property
    def superuser_uri(self) -> str:
        return self.uri(kSuperuser, self.superuser_password, "postgres")

    @property
    def data(self) -> Path:
        return Path(self._state["data"])

    def uri(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{quote(password, safe='')}@{self.host}:{self.port}/{database}"

    def psql(self, sql: str, database: str = "postgres", **options) -> str:
        """psql() below, as the superuser."""
        return psql(self.uri(kSuperuser, self.superuser_password, database), sql, **options)

    def remove(self) -> None:
        if "data" in self._state:
            shutil.rmtree(self._state["data"], ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        self._state = {}

    def _create(self) -> None:
        if not (kBinaries / "postgres").exists():
            raise StartFailed("PostgreSQL 15 is not installed: deploy/install-dependencies servers")
        if "superuser_password" not in self._state:
            self._remember(superuser_password=secrets.token_hex(16))
        if "data" not in self._state:
            self._remember(data=str(self._place_data()))
        if not (self.data / "PG_VERSION").exists():
            self._initialize()
        self._write_settings()

    def _place_data(self) -> Path:
        data = self.directory / "data"
        data.mkdir(mode=0o700)
        if self._server_user() is None:
            return data
        shutil.chown(data, kServerUser, kServerUser)
        reachable = subprocess.run([*self._as_server_user(), "test", "-w", str(data)], cwd="/").returncode == 0
        if reachable:
            return data
        data.rmdir()
        elsewhere = Path(tempfile.mkdtemp(prefix="sealstream-postgres-", dir="/var/tmp"))
        shutil.chown(elsewhere, kServerUser, kServerUser)
        return elsewhere

    def _initialize(self) -> None:
        with tempfile.NamedTemporaryFile("w", prefix="sealstream-") as password:
            print(self.superuser_password, file=password, flush=True)
            if self._server_user() is not None:
                shutil.chown(password.name, kServerUser)
            command = [*self._as_server_user(), str(kBinaries / "initdb"), "-D", str(self.data), "-U", kSuperuser,
                       "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--auth=scram-sha-256",
                       f"--pwfile={password.name}", "--no-instructions"]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise StartFailed(f"initdb failed\n{done.stderr}")

    def _write_settings(self) -> None:
        settings = {**kSettings, "port": self._settle_port(), **self._state.get("settings", {})}
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.data / "postgresql.conf").write_text(lines)
        (self.data / "pg_hba.conf").write_text(kHba)

    def _launch(self) -> None:
        self._run([str(kBinaries / "postgres"), "-D", str(self.data)], user=self._server_user())

    def _ready(self) -> bool:
        """The eighth line of postmaster.pid tells, as pg_ctl reads it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGINT  # "fast": ends sessions, writes a checkpoint

    @staticmethod
    def _server_user() -> str | None:
        return kServerUser if os.geteuid() == 0 else None

    def _as_server_user(self) -> list[str]:
        user = self._server_user()
        return ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []


def psql(uri: str, sql: str, *, variables: dict[str, str] | None = None, one_transaction: bool = False) -> str:
    """Runs SQL, stops at the first error, and returns the bare answer. Variables reach the SQL as :'name'.

    Everything that may be secret goes through psql's input and environment, not its command line.
    Raises subprocess.CalledProcessError, whose `stderr` is psql's.
    """
    address = urlsplit(uri)
    settings = "".join(f"\\set {name} {_quoted(value)}\n" for name, value in (variables or {}).items())
    environment = {**os.environ, "PGPASSWORD": unquote(address.password), "PGCONNECT_TIMEOUT": "10",
                   "PGOPTIONS": "-c client_min_messages=warning"}
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", address.hostname, "-p", str(address.port),
               "-U", address.username, "-d", address.path[1:], *(["-1"] if one_transaction else []), "-f", "-"]
    done = subprocess.run(command, input=settings + sql, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return done.stdout.rstrip("\n")


def _quoted(value: str) -> str:
    """As psql's meta-commands read it: quotes are doubled, backslashes escape."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
