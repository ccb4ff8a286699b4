#!/usr/bin/env python3
"""A private PostgreSQL cluster and an Apache Kafka broker on free loopback ports, for tests and for the quickstart.

    deploy/servers.py run --kafka --postgres -- ctest --test-dir build/dev -L servers
    deploy/servers.py run --postgres -- psql "$SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI"     (in single quotes, with sh -c)

`run` starts what is asked for in a temporary directory, runs the command, stops everything, and returns the
command's exit code. PostgreSQL runs without fsync here: what a test writes survives kill -9, and need not survive the
machine; making and dropping a database is 20 times faster. The command finds in its environment:

    SEALSTREAM_TEST_KAFKA                     host:port
    SEALSTREAM_TEST_POSTGRES_HOST, _PORT, _SUPERUSER_URI

From Python: `from servers import KafkaBroker, PostgresCluster`, with deploy/ on the path.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from local.kafka_broker import KafkaBroker  # noqa: E402
from local.postgres_cluster import PostgresCluster  # noqa: E402
from local.process import StartFailed, free_port, wait_until  # noqa: E402

__all__ = ["KafkaBroker", "PostgresCluster", "StartFailed", "free_port", "wait_until"]


class Interrupted(Exception):
    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


class Command:
    """The command that `run` was given. Signals reach it; before it runs they end the start of the servers."""

    def __init__(self, words: list[str]):
        self._words = words
        self._child: subprocess.Popen | None = None
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def run(self, environment: dict[str, str]) -> int:
        try:
            self._child = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self._words],
                                           env={**os.environ, **environment})
            code = self._child.wait()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        return code if code >= 0 else 128 - code

    def _on_signal(self, number: int, _frame) -> None:
        if self._child is None:
            raise Interrupted(number)
        if number != signal.SIGINT or not os.isatty(0):  # a terminal sends SIGINT to the command by itself
            self._child.send_signal(number)


def run(arguments: argparse.Namespace) -> int:
    command = Command(arguments.command)
    environment = {}
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sealstream-servers-")))
        scratch.chmod(0o711)  # the user postgres must pass
        if arguments.postgres:
            cluster = stack.enter_context(PostgresCluster(scratch / "postgres", {"fsync": "off"}))
            environment |= {"SEALSTREAM_TEST_POSTGRES_HOST": cluster.host,
                            "SEALSTREAM_TEST_POSTGRES_PORT": str(cluster.port),
                            "SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI": cluster.superuser_uri}
        if arguments.kafka:
            broker = stack.enter_context(KafkaBroker(scratch / "kafka"))
            environment |= {"SEALSTREAM_TEST_KAFKA": broker.address}
        return command.run(environment)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run_parser = commands.add_parser("run", help="run a command beside fresh servers")
    run_parser.add_argument("--kafka", action="store_true", help="start a Kafka broker")
    run_parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL cluster")
    run_parser.add_argument("command", nargs="+", help="the command, after --")
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except Interrupted as interrupted:
        return 128 + interrupted.number
    except StartFailed as failed:
        print(f"servers: {failed}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
