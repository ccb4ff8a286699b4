"""Where the benchmarks run: a broker and a database of their own, a backlog in a topic, and the CPU seconds of every process."""

import os
import resource
import signal
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
from producers import publish_lines  # noqa: E402
from servers import KafkaBroker, PostgresCluster  # noqa: E402

kTicks = os.sysconf("SC_CLK_TCK")
kQuarter_mib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // 2**20  # what PostgreSQL's manual advises
kServerSettings = {"shared_buffers": f"{kQuarter_mib}MB", "max_wal_size": "8GB", "wal_compression": "lz4",
                   "track_commit_timestamp": "on"}
kPagesDealt = 64  # of the heap, about 450 rows: neighbours stay together, as in a batch


@contextmanager
def stage(settings=kServerSettings, kafka_settings=None):
    """(PostgreSQL, Kafka), fresh, gone afterwards. fsync and synchronous_commit stay on."""
    with tempfile.TemporaryDirectory(prefix="sealstream-bench-") as directory:
        os.chmod(directory, 0o711)  # the user postgres must pass
        path = Path(directory)
        with PostgresCluster(path / "postgres", settings) as postgres, KafkaBroker(path / "kafka", kafka_settings) as kafka:
            yield postgres, kafka, path


def publish(kafka, topic, records):
    """Sends these lines (events.py); returns bytes of JSON an event."""
    count = size = 0

    def counted():
        nonlocal count, size
        for line in records:
            count += 1
            size += len(line) - line.index("\t") - 2
            yield line

    publish_lines(kafka, topic, counted())
    return size / max(count, 1)


def cpu_seconds(pids):
    """User and system time of those processes so far."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it ended before it was opened, or before it was read
            continue
        total += int(fields[11]) + int(fields[12])
    return total / kTicks


def machine_cpu_seconds():
    """What all cores were busy for so far: user, nice, system, interrupts (man 5 proc); neither idle nor stolen."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    return (sum(fields[:3]) + fields[5] + fields[6]) / kTicks


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


class Cpu:
    """CPU seconds since it was made: PostgreSQL's, the broker's, the program's, and what the machine did beside them.

    running: the program's processes that run already.
    """

    def __init__(self, postgres, kafka, running=()):
        self._server, self._kafka, self._running = ServerCpu(postgres), kafka, cpu_seconds(running)
        self._broker, self._machine = cpu_seconds([kafka.pid]), machine_cpu_seconds()

    def used(self, pids=()):
        """pids: all of the program's processes."""
        used = {"sealstream_cpu_s": cpu_seconds(pids) - self._running, "server_cpu_s": self._server.used(),
                "broker_cpu_s": cpu_seconds([self._kafka.pid]) - self._broker}
        return used | {"other_cpu_s": max(0.0, machine_cpu_seconds() - self._machine - sum(used.values()))}


kClaimed = """SELECT count(DISTINCT owner) FILTER (WHERE claimed_at >= %(start)s), max(claimed_at),
  coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions HAVING bool_and(claimed_at >= %(start)s)"""


def wait_claimed(session, start, owners, deadline_s=60):
    """Until that many instances hold all partitions since that moment; (when the last was claimed, what was sealed by then)."""
    end = time.monotonic() + deadline_s
    while True:
        found = session.execute(kClaimed, {"start": start}).fetchone()
        if found and found[0] == owners:
            return found[1:]
        assert time.monotonic() < end, f"not all partitions are claimed after {deadline_s} s"
        time.sleep(0.02)


def wait_sealed(session, records, deadline_s=600):
    """Looks ten times a second, on one session, so that looking costs the server next to nothing; returns what is sealed."""
    end = time.monotonic() + deadline_s
    while True:
        sealed = session.execute("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions").fetchone()[0]
        if sealed >= records:
            return sealed
        assert time.monotonic() < end, f"{sealed} of {records} records sealed after {deadline_s} s"
        time.sleep(0.1)


class Backlog:
    """A topic that holds `count` events, drained as often as wanted, each time into a new database.

    records: the lines to fill it with, in place of events of about 800 bytes.
    """

    def __init__(self, postgres, kafka, directory, count, tenant_count, exponent=1.0, records=None, partitions=12,
                 topic_settings=None):
        self.postgres, self.kafka, self.count = postgres, kafka, count
        self._directory = directory
        self._log = Deployment(postgres, kafka, self._run_directory(), partitions, topic_settings)
        self._log.close()
        self.topic = self._log.topic
        self.event_bytes = self.publish(lines(count, tenants(tenant_count, exponent)) if records is None else records)

    def _run_directory(self):
        return Path(tempfile.mkdtemp(prefix="run-", dir=self._directory))

    def publish(self, records):
        return publish(self.kafka, self.topic, records)

    def empty_database(self, program=Deployment):
        """A migrated database without rows, for that class of deployments; close() it. What was before is on disk by then."""
        deployed = program(self.postgres, self.kafka, self._run_directory(), log_of=self._log).migrate()
        self.postgres.psql("CHECKPOINT")
        return deployed

    def drain(self, deployed, dump=None, records=None, instances=1, late=()):
        """Rows/s from the claim of the partitions to the last commit; and, from before the start, CPU seconds and peak memory.

        claimed: CPU seconds from the claim on, and how long all cores together had nothing to do.
        records: sealed in all at the end, where the database holds some already. dump: a file for the ledger's rows.
        late: lines for the topic while the instances own partitions and are stopped; the time then runs from when they go on.
        """
        with psycopg.connect(deployed.uri_for_checker(), autocommit=True) as session:
            start = session.execute("SELECT clock_timestamp()").fetchone()[0]
            cpu = Cpu(self.postgres, self.kafka)
            ingesters = [deployed.start_ingester(f"{start:%H%M%S}-{number}", kafka={"group_id": deployed.database})
                         for number in range(instances)]
            began, before = wait_claimed(session, start, instances)
            if late:
                began = self._publish_late(session, ingesters, late)
            pids = [ingester.pid for ingester in ingesters]
            since_claim, begin = Cpu(self.postgres, self.kafka, pids), time.monotonic()
            sealed = wait_sealed(session, records or self.count)
            used, claimed = cpu.used(pids), since_claim.used(pids)
            claimed["idle_s"] = max(0.0, (time.monotonic() - begin) * os.cpu_count() - sum(claimed.values()))
            ended = session.execute("SELECT max(pg_xact_commit_timestamp(xmin)) FROM audit.partitions").fetchone()[0]
        seconds = (ended - began).total_seconds()
        peak = max(ingester.peak_memory_mib() for ingester in ingesters)
        for ingester in ingesters:
            ingester.signal(signal.SIGTERM)
        for ingester in ingesters:
            ingester.wait_end()
        if dump is not None:
            self.dump(deployed, dump)
        return {"seconds": seconds, "rows": sealed - before, "rows_per_s": (sealed - before) / seconds, "peak_mib": peak,
                "claimed": claimed, **used}

    def _publish_late(self, session, ingesters, records):
        """Within the session timeout, so that they keep their partitions; returns when they go on."""
        for ingester in ingesters:
            ingester.signal(signal.SIGSTOP)
        begin = time.monotonic()
        self.publish(records)
        assert time.monotonic() - begin < 9, "filling the topic took longer than the consumer group waits: send fewer events"
        went_on = session.execute("SELECT clock_timestamp()").fetchone()[0]
        for ingester in ingesters:
            ingester.signal(signal.SIGCONT)
        return went_on

    def dump(self, deployed, file, part=0, parts=1):
        """Rows of the ledger as they lie in the heap, which is the order they were written in. parts: pages dealt out in turn."""
        leaves = self.postgres.psql("SELECT tableoid::regclass FROM audit.ledger GROUP BY 1", deployed.database).split()
        assert len(leaves) == 1, f"the run wrote {leaves}: run the benchmark within one month"
        self.leaf = leaves[0]
        rows = f"(SELECT * FROM {self.leaf} WHERE (ctid::text::point)[0]::bigint / {kPagesDealt} % {parts} = {part})"
        self.postgres.psql(f"SET max_parallel_workers_per_gather = 0;\n\\copy {rows} to '{file}' binary", deployed.database)
        return file

    def copy(self, deployed, dumps, into=None):
        """The same rows by psql \\copy … binary into an empty ledger, one session a file: rows/s and CPU seconds."""
        into = into or self.leaf
        self.postgres.psql(f"SELECT audit.ensure_partition(to_timestamp({time.time()}))", deployed.database)
        cpu, clients = Cpu(self.postgres, self.kafka), resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        sessions = [subprocess.Popen(["psql", "-qX", deployed.uri_for_checker(), "-c", f"\\copy {into} from '{dump}' binary"])
                    for dump in dumps]
        assert all(session.wait() == 0 for session in sessions)
        seconds, used, ended = time.monotonic() - begin, cpu.used(), resource.getrusage(resource.RUSAGE_CHILDREN)
        client = ended.ru_utime + ended.ru_stime - clients.ru_utime - clients.ru_stime
        copied = int(self.postgres.psql(f"SELECT count(*) FROM {into}", deployed.database))
        assert copied == self.count, f"{copied} rows of {self.count}"
        return {"seconds": seconds, "rows_per_s": copied / seconds, "server_cpu_s": used["server_cpu_s"],
                "broker_cpu_s": used["broker_cpu_s"], "client_cpu_s": client,
                "other_cpu_s": max(0.0, used["other_cpu_s"] - client)}
