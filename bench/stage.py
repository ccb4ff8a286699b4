"""Where the benchmarks run: a broker and a database of their own, a backlog in a topic, and the CPU seconds of every process."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg

kRoot = Path(__file__).resolve().parent.parent
os.environ.setdefault("SEALSTREAM_BINARY", str(kRoot / "build" / "release" / "src" / "app" / "sealstream"))
sys.path[:0] = [str(kRoot / "deploy"), str(kRoot / "tests" / "e2e")]

from deployment import Deployment  # noqa: E402
from events import lines, tenants  # noqa: E402
from servers import KafkaBroker, PostgresCluster  # noqa: E402

kTicks = os.sysconf("SC_CLK_TCK")
kServerSettings = {"shared_buffers": "1GB", "max_wal_size": "8GB", "wal_compression": "lz4"}


@contextmanager
def stage(settings=kServerSettings):
    """(PostgreSQL, Kafka), fresh, gone afterwards. fsync and synchronous_commit stay on."""
    with tempfile.TemporaryDirectory(prefix="sealstream-bench-") as directory:
        os.chmod(directory, 0o711)  # the user postgres must pass
        path = Path(directory)
        with PostgresCluster(path / "postgres", settings) as postgres, KafkaBroker(path / "kafka") as kafka:
            yield postgres, kafka, path


def publish(kafka, topic, count, tenant_count, exponent):
    """Fills the topic; returns bytes of JSON per event."""
    command = ["kcat", "-P", "-b", kafka.address, "-t", topic, "-K", "\t", "-X", "topic.partitioner=murmur2_random",
               "-X", "enable.idempotence=true", "-X", "acks=all", "-X", "compression.codec=lz4"]
    kcat = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    size = 0
    for line in lines(count, tenants(tenant_count, exponent)):
        kcat.stdin.write(line)
        size += len(line) - line.index("\t") - 2
    kcat.stdin.close()
    assert kcat.wait() == 0
    return size / count


def cpu_seconds(pids):
    """User and system time of those processes so far."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / kTicks


def wait_sealed(session, records, deadline_s=600):
    """Looks ten times a second, on one session, so that looking costs the server next to nothing; returns what is sealed."""
    end = time.monotonic() + deadline_s
    while True:
        sealed = session.execute("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions").fetchone()[0]
        if sealed >= records:
            return sealed
        assert time.monotonic() < end, f"{sealed} of {records} records sealed after {deadline_s} s"
        time.sleep(0.1)


class ServerCpu:
    """CPU of PostgreSQL between two moments: the backends that live, and those that ended meanwhile (the postmaster
    collects their times as its children's)."""

    def __init__(self, postgres):
        self._pid = postgres.pid
        self._before = self._now()

    def _now(self):
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) / kTicks
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        return ended + cpu_seconds([self._pid, *map(int, children)])

    def used(self):
        return self._now() - self._before


class Backlog:
    """A topic that holds `count` events, drained as often as wanted, each time into a new database."""

    def __init__(self, postgres, kafka, directory, count, tenant_count, exponent=1.0):
        self.postgres, self.kafka, self.count = postgres, kafka, count
        self._directory = directory
        self._runs = 0
        first = self._deployment()
        self.topic = first.topic
        self.event_bytes = publish(kafka, self.topic, count, tenant_count, exponent)
        first.close()

    def _deployment(self, program=Deployment):
        self._runs += 1
        directory = self._directory / f"run-{self._runs}"
        directory.mkdir()
        return program(self.postgres, self.kafka, directory)

    def empty_database(self, program=Deployment):
        """A migrated database without rows, for that class of deployments; close() it."""
        deployed = self._deployment(program)
        if hasattr(self, "topic"):
            deployed.topic = self.topic
            deployed.config = deployed.write_config("commands", 1)
        return deployed.migrate()

    def drain(self, deployed, dump=None):
        """Seconds from the first row to the last, and CPU seconds of sealstream, PostgreSQL and the broker meanwhile."""
        server, broker = ServerCpu(self.postgres), cpu_seconds([self.kafka.pid])
        ingester = deployed.ingester(kafka={"group_id": deployed.database})
        with psycopg.connect(deployed.uri("auditor"), autocommit=True) as session:
            sealed = wait_sealed(session, 1)
            begin = time.monotonic()
            wait_sealed(session, self.count)
            seconds = time.monotonic() - begin
        own = cpu_seconds([ingester.pid])
        result = {"seconds": seconds, "rows": self.count - sealed, "rows_per_s": (self.count - sealed) / seconds,
                  "sealstream_cpu_s": own, "server_cpu_s": server.used(),
                  "broker_cpu_s": cpu_seconds([self.kafka.pid]) - broker}
        ingester.signal(15)
        ingester.wait_end()
        if dump is not None:
            self._dump(deployed, dump)
        return result

    def _leaf(self, deployed):
        leaves = self.postgres.psql("SELECT tableoid::regclass FROM audit.ledger GROUP BY 1", deployed.database).split()
        assert len(leaves) == 1, f"the run wrote {leaves}: run the benchmark within one month"
        return leaves[0]

    def _dump(self, deployed, dump):
        """The rows as they lie in the heap, which is the order they were written in."""
        self.leaf = self._leaf(deployed)
        self.postgres.psql(f"\\copy {self.leaf} to '{dump}' binary", deployed.database)

    def copy(self, deployed, dumps):
        """The same rows by psql \\copy … binary into an empty ledger, one session a file, and CPU seconds of PostgreSQL."""
        self.postgres.psql(f"SELECT audit.ensure_partition(to_timestamp({time.time()}))", deployed.database)
        server = ServerCpu(self.postgres)
        begin = time.monotonic()
        uri = self.postgres.uri("postgres", self.postgres.superuser_password, deployed.database)
        sessions = [subprocess.Popen(["psql", "-qX", uri, "-c", f"\\copy {self.leaf} from '{dump}' binary"])
                    for dump in dumps]
        assert all(session.wait() == 0 for session in sessions)
        seconds = time.monotonic() - begin
        return {"seconds": seconds, "rows_per_s": self.count / seconds, "server_cpu_s": server.used()}
