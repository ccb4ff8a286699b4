"""Writes RESULTS.md from the JSON that the benchmarks left: machine, versions, method, date, tables."""

import argparse
import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]


def cpu_model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def cell(spread):
    return f"{spread['median']:,} ({spread['min']:,} to {spread['max']:,})"


def core_table(result):
    yield from ["## core_bench: one core, one event of about 800 bytes", "", row("what", "CPU ns"), row("---", "---:")]
    for benchmark in result["benchmarks"]:
        if benchmark.get("run_type") == "iteration":
            scale = {"ns": 1, "us": 1e3, "ms": 1e6}[benchmark["time_unit"]]
            yield row(benchmark["name"], f"{benchmark['cpu_time'] * scale:,.0f}")


def ceiling_table(result):
    yield from [f"## copy_ceiling: psql \\copy … binary of {result['events']:,} rows of a run", "",
                row("sessions", "rows/s: median (min to max)"), row("---", "---:")]
    for sessions, spread in result["rows_per_s"].items():
        yield row(sessions, cell(spread))


def ingest_table(result):
    yield from [f"## ingest_bench: {result['events']:,} events of {result['event_bytes']} bytes, {result['tenants']:,} tenants "
                f"(Zipf {result['zipf']:g}), {result['pairs']} interleaved pairs", "",
                row("what", "median (min to max)"), row("---", "---:")]
    for title, key in [("Sealstream, rows/s", "rows_per_s"), ("psql \\copy, one session, rows/s", "copy_rows_per_s"),
                       ("**ratio, pair by pair**", "of_copy"), ("Sealstream, CPU µs an event", "sealstream_cpu_us"),
                       ("PostgreSQL, CPU µs an event", "server_cpu_us"), ("broker, CPU µs an event", "broker_cpu_us"),
                       ("PostgreSQL under \\copy, CPU µs a row", "copy_server_cpu_us")]:
        yield row(title, cell(result[key]))


def change_table(result):
    yield from [f"## change_bench: {result['events']:,} events, {result['tenants']:,} tenants (Zipf 1), {result['pairs']} interleaved "
                f"pairs, against revision {result['revision']}", "",
                f"Rows/s of this tree as a share of that revision's, pair by pair: **{cell(result['ratio'])}**", "",
                row("median (min to max)", "before", "now"), row("---", "---:", "---:")]
    before, now = result["before"], result["now"]
    for title, key in [("rows/s", "rows_per_s"), ("Sealstream, CPU µs an event", "sealstream_cpu"),
                       ("PostgreSQL, CPU µs an event", "server_cpu"), ("broker, CPU µs an event", "broker_cpu")]:
        yield row(title, cell(before[key]), cell(now[key]))
    for kind in now["by_statement"]:
        yield row(f"PostgreSQL, {kind}, elapsed µs an event", cell(before["by_statement"][kind]), cell(now["by_statement"][kind]))


kTables = {"core_bench": core_table, "copy_ceiling": ceiling_table, "ingest_bench": ingest_table, "change_bench": change_table}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    print("# Results\n\nWritten by `bench/run`" + (" --quick" if arguments.quick else "") + f" on {date.today()}. Compare only "
          "within one run: the machine's speed drifts.\n")
    print(f"- machine: {os.cpu_count()} cores, {cpu_model()}, Linux {platform.release().split('-')[0]}; broker, database, "
          "Sealstream and load share them")
    print(f"- versions: {first_line('/usr/lib/postgresql/15/bin/postgres', '--version')}, Apache Kafka 4.3.0, "
          f"{first_line('g++', '--version')}")
    print("- method: the topic is filled first; then a drain into an empty, migrated database and psql \\copy of the same rows in "
          "the same order into another, in turn. fsync, synchronous_commit, chain, scan and every index are on.")
    for name, table in kTables.items():
        file = arguments.results / f"{name}.json"
        if file.exists():
            print("\n" + "\n".join(table(json.loads(file.read_text()))))


if __name__ == "__main__":
    main()
