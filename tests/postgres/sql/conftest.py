"""A private PostgreSQL cluster for the tests of the SQL, and freshly migrated databases.

The migrations are applied once, into a template database, as `sealstream migrate` does it; a test gets a copy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sql_databases import Databases, PostgresCluster


@pytest.fixture(scope="session")
def databases():
    with tempfile.TemporaryDirectory(prefix="sealstream-sql-") as scratch:
        Path(scratch).chmod(0o711)  # the user postgres must pass
        settings = {"fsync": "off", "max_connections": "60", "wal_level": "minimal", "max_wal_senders": "0"}
        with PostgresCluster(Path(scratch) / "postgres", settings) as cluster:
            yield Databases(cluster)


@pytest.fixture(scope="session")
def template(databases):
    database = databases.create_migrated()
    database.close()
    return database.name


@pytest.fixture(scope="session")
def stranger(databases):
    """Someone who may log in, and was given nothing."""
    return databases.login("stranger")


@pytest.fixture
def database(databases, template):
    """A migrated database for one test."""
    fresh = databases.create(template)
    yield fresh
    databases.drop(fresh)


@pytest.fixture(scope="module")
def shared_database(databases, template):
    """A migrated database for the tests of a module whose statements are all refused."""
    fresh = databases.create(template)
    yield fresh
    databases.drop(fresh)


@pytest.fixture
def bare_database(databases):
    """Roles, but no migration."""
    fresh = databases.create_with_roles()
    yield fresh
    databases.drop(fresh)
