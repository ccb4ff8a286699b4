"""Whether resident memory stays flat at full load: a backlog that never ends, for as long as asked.

    bench/run memory_bench          (or: "$(tests/run --python)" bench/memory_bench.py --minutes 30)

Whenever fewer than 100,000 records are left, 100,000 more are published, so that every lane's queue is full all the time. So that the
disk does not fill, the ledger is emptied each 3 M rows by a superuser past its triggers, and the topic keeps the last 128 MB of each
partition. Resident memory is looked at once a second: the table has the most of each tenth of the time.
"""

import argparse
import time
from pathlib import Path

import psycopg
from figures import finish, progress, table
from open_loop import start
from stage import Backlog, kServerSettings, stage

kChunk = 100_000
kRowsKept = 3_000_000
kTopic = {"retention.bytes": 128 << 20, "segment.bytes": 16 << 20}
kBroker = {"log.retention.check.interval.ms": 10_000}


def resident_mib(pid):
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024


def empty_ledger(session):
    leaf = session.execute("SELECT tableoid::regclass::text FROM audit.ledger LIMIT 1").fetchone()[0]
    with session.transaction():
        session.execute("SET LOCAL session_replication_role = replica")
        session.execute(f"TRUNCATE {leaf}")


def soak(session, kafka, ingester, topic, seconds, tenant_count):
    """(second, sealed, MiB) about once a second."""
    begin, samples, chunks, emptied, producer = time.monotonic(), [], 0, 0, None
    while not samples or samples[-1][0] < seconds:
        sealed = session.execute("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions").fetchone()[0]
        samples.append((time.monotonic() - begin, sealed, resident_mib(ingester.pid)))
        if chunks * kChunk - sealed < kChunk and (producer is None or producer.poll() is not None):
            producer = start(kafka, topic, kChunk * 10, 0.1, tenant_count, chunks)
            chunks += 1
        if sealed - emptied > kRowsKept:
            empty_ledger(session)
            emptied = sealed
        if len(samples) % 60 == 0:
            progress(f"{samples[-1][0]:.0f} s: {sealed:,} sealed, {samples[-1][2]:.0f} MiB")
        time.sleep(1)
    producer.wait()
    return samples


def measure(minutes, tenant_count):
    with stage(kServerSettings, kBroker) as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, 0, tenant_count, topic_settings=kTopic)
        deployed = backlog.empty_database()
        ingester = deployed.ingester()
        with psycopg.connect(deployed.uri_for_checker(), autocommit=True) as session:
            samples = soak(session, kafka, ingester, backlog.topic, minutes * 60, tenant_count)
        peak = ingester.peak_memory_mib()
        errors = [line for line in ingester.log_events() if line["level"] == "error"]
        assert errors == [], errors
        deployed.close()
    tenths = [[sample for sample in samples if int(sample[0] * 10 / (minutes * 60)) == tenth] for tenth in range(10)]
    return {"name": "memory_bench", "minutes": minutes, "tenants": tenant_count, "sealed": samples[-1][1], "peak_mib": round(peak),
            "rows_per_s": round(samples[-1][1] / samples[-1][0]), "tenths": [round(max(part[2] for part in tenth)) for tenth in tenths]}


def text(result):
    yield from [f"## memory_bench: {result['minutes']:g} minutes at full load, {result['sealed']:,} events, "
                f"{result['rows_per_s']:,} a second", "", f"Most resident: {result['peak_mib']} MiB. Most in each tenth of the time:", ""]
    yield from table(["tenth", *map(str, range(1, 11))], [["MiB", *result["tenths"]]])


def targets(result):
    """(what, at least or at most, limit, measured)"""
    yield f"resident memory, MiB, {result['minutes']:g} minutes at full load", "≤", 256, result["peak_mib"]
    yield "growth of memory, last tenth by second", "≤", 1.1, round(result["tenths"][-1] / result["tenths"][1], 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--tenants", type=int, default=10_000)
    arguments = parser.parse_args()
    finish(measure(arguments.minutes, arguments.tenants), text)


if __name__ == "__main__":
    main()
