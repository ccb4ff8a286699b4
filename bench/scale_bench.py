"""What happens to the rate where something grows: each case in turn with the base case (base, case, base, case, …, base).

    bench/run scale_bench           (or: "$(tests/run --python)" bench/scale_bench.py --events 100000 --only 'ledger 1M')

The base case drains `--events` events of about 800 bytes, 10,000 tenants by Zipf's law, 8 partitions, one instance, into an empty
ledger. A case differs in what its name says. Its ratio is records/s by the mean of the base runs before and behind it; events that
are larger than the base's are judged by bytes/s.

| case | how |
|---|---|
| tenants 10 … 1M | 10 and 1,000 by Zipf's law, the others uniform |
| ledger 1M, 10M | the leaf holds that many rows of the same tenants before, written by INSERT … SELECT |
| partitions, instances | of the topic; of `sealstream run`, the topic is filled while both own partitions and are stopped |
| size | 200 B: logins; 8 KB and 128 KB: notes of 200 bytes; as many events fewer as they are larger |
| duplicates | as many events are sealed before, and that share of the records is those again, the others are new |
| poison | that share of the records lacks a required attribute |
"""

import argparse
import shutil
from dataclasses import dataclass

from events import lines, poisoned, repeated, tenants
from figures import finish, progress, table
from stage import Backlog, stage

kBasePartitions = 8


@dataclass
class Case:
    name: str
    tenants: int = 10_000
    exponent: float = 1.0
    ledger: int = 0
    partitions: int = kBasePartitions
    instances: int = 1
    size: int = 800
    duplicates: float = 0.0
    poison: float = 0.0
    quick: bool = False

    def count(self, events):
        return max(500, events * 800 // max(800, self.size))

    def records(self, count, seed=1):
        sent = lines(count, tenants(self.tenants, self.exponent, seed), seed, self.size)
        return poisoned(sent, self.poison) if self.poison else sent


kBase = Case("base")
kCases = [
    Case("tenants 10", tenants=10), Case("tenants 1,000", tenants=1_000), Case("tenants 100,000", tenants=100_000, exponent=0),
    Case("tenants 1M", tenants=1_000_000, exponent=0, quick=True),
    Case("ledger 1M", ledger=1_000_000, quick=True), Case("ledger 10M", ledger=10_000_000),
    Case("partitions 1", partitions=1), Case("partitions 64", partitions=64), Case("instances 2", instances=2, quick=True),
    Case("size 200 B", size=200), Case("size 8 KB", size=8_000), Case("size 128 KB", size=128_000, quick=True),
    Case("duplicates 1 %", duplicates=0.01), Case("duplicates 50 %", duplicates=0.5), Case("duplicates 100 %", duplicates=1, quick=True),
    Case("poison 1 %", poison=0.01), Case("poison 100 %", poison=1, quick=True)]


def grow(postgres, deployed, rows):
    """Copies what the ledger holds, tenant by tenant, with earlier times, until it has that many rows; the chains go on behind.
    Returns bytes a row, indexes included."""
    leaf, held = postgres.psql("SELECT tableoid::regclass, count(*) FROM audit.ledger GROUP BY 1", deployed.database).split("|")
    copies = -(-rows // int(held)) - 1
    columns = postgres.psql(f"SELECT attname FROM pg_attribute WHERE attrelid = '{leaf}'::regclass AND attnum > 0 ORDER BY attnum",
                            deployed.database).split()
    changed = {"seq": "seq + copy * chain_rows", "event_id": "event_id || '-' || copy",
               "event_time": "event_time - copy * interval '1 hour'"}
    chosen = ", ".join(changed.get(column, column) for column in columns)
    postgres.psql(f"CREATE UNLOGGED TABLE audit.original AS SELECT l.*, h.seq + 1 AS chain_rows FROM {leaf} l"
                  " JOIN audit.chain_heads h USING (tenant_id) ORDER BY tenant_id, l.seq", deployed.database)
    for copy in range(1, copies + 1):
        postgres.psql(f"INSERT INTO {leaf} SELECT {chosen.replace('copy', str(copy))} FROM audit.original", deployed.database)
    postgres.psql(f"UPDATE audit.chain_heads SET seq = (seq + 1) * {copies + 1} - 1; VACUUM ANALYZE {leaf}", deployed.database)
    return int(postgres.psql(f"SELECT pg_total_relation_size('{leaf}')", deployed.database)) / (copies + 1) / int(held)


def run(postgres, kafka, directory, case, events):
    """One case: what its drain took."""
    count = case.count(events)
    sent, late = list(case.records(count)), case.instances > 1
    backlog = Backlog(postgres, kafka, directory, count, case.tenants, records=[] if late else sent, partitions=case.partitions)
    deployed = backlog.empty_database()
    sealed = row_bytes = 0
    if case.ledger or case.duplicates:
        sealed = count
        backlog.drain(deployed)
        if case.ledger:
            row_bytes = grow(postgres, deployed, case.ledger)
        backlog.publish(repeated(sent, case.records(count, seed=2), case.duplicates))
        postgres.psql("CHECKPOINT")
    drain = backlog.drain(deployed, records=sealed + count, instances=case.instances, late=sent if late else ())
    outcomes = deployed.ask("SELECT sum(duplicate)::float, sum(quarantined)::float FROM audit.partitions")[0]
    for outcome, share in zip(outcomes, (case.duplicates, case.poison)):
        assert abs(outcome / count - share) < 0.02, f"{case}: {outcomes} duplicates and refused of {count}"
    deployed.close()
    return {**figures(drain, count, sum(map(len, sent)) / count), "row_bytes": row_bytes}


def figures(drain, count, event_bytes):
    return {"records_per_s": round(drain["rows_per_s"]), "mb_per_s": round(drain["rows_per_s"] * event_bytes / 1e6, 1),
            "peak_mib": round(drain["peak_mib"]), "sealstream_cpu_us": round(drain["sealstream_cpu_s"] * 1e6 / count, 1),
            "server_cpu_us": round(drain["server_cpu_s"] * 1e6 / count, 1), "events": count, "event_bytes": round(event_bytes)}


def measure(events, cases):
    results = []
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, 0, records=kBase.records(events), partitions=kBasePartitions)

        def base():
            deployed = backlog.empty_database()
            drain = backlog.drain(deployed)
            deployed.close()
            return figures(drain, events, backlog.event_bytes)

        base()  # warms up the broker
        bases = [base()]
        for case in cases:
            result = run(postgres, kafka, directory, case, events)
            bases.append(base())
            judged = "mb_per_s" if case.size > kBase.size else "records_per_s"
            beside = (bases[-2][judged] + bases[-1][judged]) / 2
            results.append({"case": case.name, **result, "ratio": round(result[judged] / beside, 2)})
            progress(f"{case.name}: {result['records_per_s']:,}/s, {results[-1]['ratio']} of the base, {result['peak_mib']} MiB")
        free = shutil.disk_usage(directory).free
    return {"name": "scale_bench", "events": events, "bases": bases, "cases": results, "free_bytes": free}


def text(result):
    bases, cases = result["bases"], result["cases"]
    worst = min(cases, key=lambda case: case["ratio"])
    rates = [base["records_per_s"] for base in bases]
    yield from [f"## scale_bench: what grows, beside a base of {result['events']:,} events", "",
                f"The base drained {min(rates):,} to {max(rates):,} records/s in {len(rates)} runs between the cases. "
                f"**Worst case: {worst['case']}, {worst['ratio']} of the base.**", ""]
    yield from table(["case", "of the base", "records/s", "MB/s", "peak MiB", "CPU µs: ours", "server", "events", "bytes"],
                     [[name, run.get("ratio", 1), *(run[key] for key in ("records_per_s", "mb_per_s", "peak_mib", "sealstream_cpu_us",
                                                                         "server_cpu_us", "events", "event_bytes"))]
                      for name, run in [("base", sorted(bases, key=lambda base: base["records_per_s"])[len(bases) // 2]),
                                        *((case["case"], case) for case in cases)]])
    row_bytes = max(case["row_bytes"] for case in cases)
    if row_bytes:
        yield from ["", f"A row of a large ledger takes {row_bytes:,.0f} bytes with its indexes, so 100 M rows take "
                    f"{row_bytes / 10:,.0f} GB; the disk has {result['free_bytes'] / 1e9:,.0f} GB left."]


def targets(result):
    """(what, at least or at most, limit, measured)"""
    cases = {case["case"]: case for case in result["cases"]}
    peak = max([*result["cases"], *result["bases"]], key=lambda run: run["peak_mib"])
    yield f"resident memory, MiB (most: {peak.get('case', 'base')})", "≤", 256, peak["peak_mib"]
    if {"ledger 1M", "ledger 10M"} <= cases.keys():
        yield "rate at 10 M rows of that at 1 M", "≥", 0.85, round(cases["ledger 10M"]["ratio"] / cases["ledger 1M"]["ratio"], 2)
    if "duplicates 100 %" in cases:
        yield "pure duplicates, rate of new events", "≥", 1, cases["duplicates 100 %"]["ratio"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--quick", action="store_true", help="only the cases that are likely to hurt")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="only these cases, by name")
    arguments = parser.parse_args()
    cases = [case for case in kCases if (case.quick or not arguments.quick) and (not arguments.only or case.name in arguments.only)]
    finish(measure(arguments.events, cases), text)


if __name__ == "__main__":
    main()
