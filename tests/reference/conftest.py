"""Fixtures of the reference's own tests: databases with the real migrations in a real PostgreSQL.

The cluster is the one named in SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI, else a private one of deploy/servers.py.
"""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "deploy")]

import psycopg  # noqa: E402

from keyring import parse_keyring  # noqa: E402
from samples import MemoryLog  # noqa: E402
from sealing import SecondWriter  # noqa: E402

_numbers = itertools.count()


def pytest_configure(config):
    config.addinivalue_line("markers", "servers: needs a real PostgreSQL; tests/run runs it in the tier servers, not in unit")


def pytest_collection_modifyitems(items):
    for item in items:
        if "cluster_uri" in getattr(item, "fixturenames", ()):
            item.add_marker("servers")


def psql(uri, *arguments):
    """What psql prints, bare; fails with its standard error."""
    done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *arguments, uri], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def cluster_uri():
    given = os.environ.get("SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI")
    if given:
        yield given
        return
    from servers import PostgresCluster

    with tempfile.TemporaryDirectory(prefix="sealstream-reference-") as scratch:
        Path(scratch).chmod(0o711)  # the cluster's user must pass
        with PostgresCluster(Path(scratch) / "postgres", {"fsync": "off"}) as cluster:
            yield cluster.superuser_uri


@pytest.fixture(scope="session")
def make_database(cluster_uri):
    """A function that makes a database and returns its URI; template: the URI of one to copy."""
    made = []

    def make(template=None):
        name = f"reference_{os.getpid()}_{next(_numbers)}"
        source = f" TEMPLATE {urlsplit(template).path[1:]}" if template else ""
        psql(cluster_uri, "-c", f"CREATE DATABASE {name}{source}")
        made.append(name)
        return urlunsplit(urlsplit(cluster_uri)._replace(path=f"/{name}"))

    yield make
    for name in made:
        psql(cluster_uri, "-c", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated(make_database):
    """The URI of an empty database with roles, all migrations and pgcrypto; nobody writes into it."""
    uri = make_database()
    psql(uri, "-1", "-f", str(ROOT / "deploy" / "roles.sql"))
    for migration in sorted((ROOT / "migrations").glob("*.up.sql")):
        psql(uri, "-1", "-f", str(migration))
    psql(uri, "-c", "CREATE EXTENSION IF NOT EXISTS pgcrypto")
    return uri


@pytest.fixture
def database(make_database, migrated):
    """The URI of an empty migrated database of the test's own."""
    return make_database(template=migrated)


@pytest.fixture(scope="session")
def keyring_text():
    return f"""keys:
  - {{id: 2026q3, from: "2026-07-01T00:00:00Z", key: {bytes(range(32)).hex()}}}   # flow style
  - id: 2026q4
    from: 2026-10-01
    key: {bytes(range(255, 223, -1)).hex()}
"""


@pytest.fixture(scope="session")
def keys(keyring_text):
    return parse_keyring(keyring_text)


class Sealed:
    """A database that holds the records of a log, one connection on it, and the log."""

    def __init__(self, connection, keys):
        self.connection, self.keys = connection, keys
        self.log = MemoryLog()
        self.writer = SecondWriter(connection, keys)

    def seal(self, *arguments, **named):
        record = self.log.publish(*arguments, **named)
        self.writer.write([record])
        return record

    def tamper(self, statement, parameters=()):
        """A change that no trigger and no constraint stops, as a superuser makes it."""
        self.connection.execute("SET LOCAL session_replication_role = replica")
        self.connection.execute(statement, parameters)


@pytest.fixture
def sealed(request, migrated, keys):
    """Rolled back, in the shared database; a test that commits asks for `database` too and works in that."""
    uri = request.getfixturevalue("database") if "database" in request.fixturenames else migrated
    with psycopg.connect(uri) as connection:
        yield Sealed(connection, keys)
        connection.rollback()
