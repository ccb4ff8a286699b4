"""Databases of a private cluster for the tests of the SQL, and the ways in which migrations are applied.

Every role logs in for real, over TCP with a password: nothing is tested through SET ROLE.
"""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import sys
from pathlib import Path

import psycopg

kRoot = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(kRoot / "deploy"))

from servers import PostgresCluster, wait_until  # noqa: E402

kMigrations = kRoot / "migrations"
kRolesFile = kRoot / "deploy" / "roles.sql"
kLoginRoles = ("audit_migrator", "audit_writer", "audit_app", "audit_reader", "audit_auditor", "audit_operator",
               "audit_eraser", "audit_rebuilder")


def up_files() -> list[Path]:
    return sorted(kMigrations.glob("*.up.sql"))


def down_files() -> list[Path]:
    return sorted(kMigrations.glob("*.down.sql"), reverse=True)


class Database:
    """One database of the cluster. `connect` opens a session that ends with the test."""

    def __init__(self, cluster: PostgresCluster, name: str, password: str):
        self._cluster = cluster
        self._password = password
        self._sessions: list[psycopg.Connection] = []
        self.name = name

    def connect(self, role: str = "postgres", *, autocommit: bool = True) -> psycopg.Connection:
        session = psycopg.connect(self._uri(role), autocommit=autocommit)
        self._sessions.append(session)
        return session

    def close(self) -> None:
        while self._sessions:
            self._sessions.pop().close()

    def psql(self, role: str, *arguments: str) -> subprocess.CompletedProcess:
        """psql as that role, stopping at the first error; the caller looks at the exit code."""
        environment = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self._uri(role), *arguments],
                              env=environment, capture_output=True, text=True)

    def _uri(self, role: str) -> str:
        password = self._cluster.superuser_password if role == "postgres" else self._password
        return self._cluster.uri(role, password, self.name)


class Databases:
    """Makes databases: empty, with the roles only, or migrated."""

    def __init__(self, cluster: PostgresCluster):
        self._cluster = cluster
        self._password = secrets.token_hex(16)
        self._names = (f"test_{number}" for number in itertools.count())

    def create(self, template: str = "template0") -> Database:
        name = next(self._names)
        self._cluster.psql(f'CREATE DATABASE {name} TEMPLATE {template}')
        return Database(self._cluster, name, self._password)

    def create_with_roles(self) -> Database:
        database = self.create()
        done = database.psql("postgres", "-1", "-f", str(kRolesFile))
        assert done.returncode == 0, done.stderr
        self._cluster.psql("".join(f"ALTER ROLE {role} PASSWORD '{self._password}';" for role in kLoginRoles))
        return database

    def create_migrated(self) -> Database:
        database = self.create_with_roles()
        with database.connect("audit_migrator") as migrator:
            for file in up_files():
                apply_in_transaction(migrator, file)
        return database

    def login(self, role: str, *, member_of: str | None = None) -> str:
        """Makes a login role of that name for the rest of the session."""
        self._cluster.psql(f"CREATE ROLE {role} LOGIN PASSWORD '{self._password}'"
                           + (f" IN ROLE {member_of}" if member_of else ""))
        return role

    def drop(self, database: Database) -> None:
        database.close()
        self._cluster.psql(f"DROP DATABASE {database.name} WITH (FORCE)")


def apply_in_transaction(session: psycopg.Connection, file: Path) -> None:
    """As `sealstream migrate`: the whole file as one simple query, inside one transaction."""
    with session.transaction():
        execute_simple(session, file.read_text())


def execute_simple(session: psycopg.Connection, text: str) -> None:
    """One simple query, as PQexec sends it. Raises like execute()."""
    result = session.pgconn.exec_(text.encode())
    if result.status not in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK):
        raise psycopg.errors.lookup(result.error_field(psycopg.pq.DiagnosticField.SQLSTATE).decode())(
            result.error_message.decode())


def wait_until_blocked(watcher: psycopg.Connection, session: psycopg.Connection) -> None:
    """Returns when that session waits for a lock."""
    pid = session.info.backend_pid
    wait_until(lambda: watcher.execute("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
                                       [pid]).fetchone()[0], 10, f"session {pid} waiting for a lock")
