"""Fixtures of the reference's own tests: a PostgreSQL cluster and databases with the real migrations.

The cluster is the one named in SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI, else a private one of deploy/servers.py.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).resolve().parent), str(ROOT / "deploy")]

_numbers = itertools.count()


def with_database(uri, name, user=None):
    parts = urlsplit(uri)
    location = parts.netloc if user is None else f"{user}@" + parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=location, path=f"/{name}"))


def psql(uri, *arguments):
    """psql's standard output; fails with its standard error."""
    done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-qAt", *arguments, uri], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def psql_row(uri, *arguments):
    """The values of the one row that psql prints."""
    (line,) = psql(uri, *arguments).splitlines()
    return line.split("|")


@pytest.fixture(scope="session")
def cluster_uri(tmp_path_factory):
    given = os.environ.get("SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI")
    if given:
        yield given
        return
    from servers import PostgresCluster
    with tempfile_directory() as directory, PostgresCluster(directory / "postgres") as cluster:
        yield cluster.superuser_uri


def tempfile_directory():
    import contextlib
    import tempfile

    @contextlib.contextmanager
    def opened():
        with tempfile.TemporaryDirectory(prefix="sealstream-reference-") as name:
            Path(name).chmod(0o711)  # the cluster's user must pass
            yield Path(name)

    return opened()
