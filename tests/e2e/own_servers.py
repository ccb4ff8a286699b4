"""Servers of its own for a program that is no pytest."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from servers import KafkaBroker, PostgresCluster


@contextmanager
def own_servers(purpose, cluster=PostgresCluster):
    """A PostgreSQL that does not flush, a Kafka broker, and a directory that they lie in; nothing of it is left at the end."""
    with tempfile.TemporaryDirectory(prefix=f"sealstream-{purpose}-") as scratch:
        os.chmod(scratch, 0o711)  # the user postgres must pass
        directory = Path(scratch)
        with cluster(directory / "postgres", {"fsync": "off"}) as postgres, KafkaBroker(directory / "kafka") as kafka:
            yield postgres, kafka, directory
