"""How fast a backlog is drained, beside psql \\copy of the same rows in the same order into the same empty schema.

    bench/run ingest_bench          (or: "$(tests/run --python)" bench/ingest_bench.py --events 300000)

| column | means |
|---|---|
| rows/s | from the first committed row to the last, all of it: fetch, decode, scan, seal, COPY, heads, positions |
| of \\copy | rows/s as a share of one session of psql \\copy … binary, pair by pair, in one interleaved run (A B A B) |
| CPU µs | of Sealstream, of PostgreSQL and of the broker, for each event |
"""

import argparse
import json
import statistics

from stage import Backlog, stage


def spread(values, digits=2):
    digits = digits or None  # round(x, 0) is a float, round(x, None) an integer
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits),
            "max": round(max(values), digits)}


def measure(events, tenant_count, exponent, pairs):
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, tenant_count, exponent)
        dump = directory / "rows.copy"
        drains, copies = [], []
        for _ in range(pairs):
            deployed = backlog.empty_database()
            drains.append(backlog.drain(deployed, dump))
            deployed.close()
            deployed = backlog.empty_database()
            copies.append(backlog.copy(deployed, [dump]))
            deployed.close()
    micro = 1e6 / events
    return {
        "name": "ingest_bench", "events": events, "event_bytes": round(backlog.event_bytes), "tenants": tenant_count,
        "zipf": exponent, "pairs": pairs,
        "rows_per_s": spread([drain["rows_per_s"] for drain in drains], 0),
        "copy_rows_per_s": spread([copy["rows_per_s"] for copy in copies], 0),
        "of_copy": spread([drain["rows_per_s"] / copy["rows_per_s"] for drain, copy in zip(drains, copies)]),
        "sealstream_cpu_us": spread([drain["sealstream_cpu_s"] * micro for drain in drains], 1),
        "server_cpu_us": spread([drain["server_cpu_s"] * micro for drain in drains], 1),
        "broker_cpu_us": spread([drain["broker_cpu_s"] * micro for drain in drains], 1),
        "copy_server_cpu_us": spread([copy["server_cpu_s"] * micro for copy in copies], 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--zipf", type=float, default=1.0)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.events, arguments.tenants, arguments.zipf, arguments.pairs)))


if __name__ == "__main__":
    main()
