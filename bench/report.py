"""Writes RESULTS.md from the JSON that the benchmarks left: machine, versions, method, date, targets, tables.

    "$(tests/run --python)" bench/report.py build/bench [--quick] >bench/RESULTS.md
"""

import argparse
import json
import os
import platform
import subprocess
from datetime import date
from pathlib import Path

import change_bench
import copy_ceiling
import ingest_bench
import latency_bench
import memory_bench
import peers_bench
import scale_bench
import takeover_bench
import verify_bench
from figures import revision, table, verdict


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0]


def cpu_model():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory_gib():
    return int(Path("/proc/meminfo").read_text().split()[1]) / 2**20


class CoreBench:
    """core_bench is C++ and prints Google Benchmark's JSON."""

    @staticmethod
    def nanoseconds(result):
        scales = {"ns": 1, "us": 1e3, "ms": 1e6}
        return {run["name"]: round(run["cpu_time"] * scales[run["time_unit"]]) for run in result["benchmarks"]
                if run.get("run_type") == "iteration"}

    @staticmethod
    def text(result):
        yield from ["## core_bench: one core, one event of about 800 bytes", ""]
        yield from table(["what", "CPU ns"], CoreBench.nanoseconds(result).items())

    @staticmethod
    def targets(result):
        verify = CoreBench.nanoseconds(result)["verify"]
        yield "verify without reading rows, events a second of one core", "≥", 400_000, round(1e9 / verify)


kPrograms = {"ingest_bench": ingest_bench, "latency_bench": latency_bench, "scale_bench": scale_bench, "takeover_bench": takeover_bench,
             "verify_bench": verify_bench, "peers_bench": peers_bench, "memory_bench": memory_bench, "core_bench": CoreBench,
             "copy_ceiling": copy_ceiling, "change_bench": change_bench}


def target_table(results):
    rows = [[what, f"{relation} {limit:,}", measured, verdict(relation, limit, measured)]
            for name, result in results.items() if hasattr(kPrograms[name], "targets")
            for what, relation, limit, measured in kPrograms[name].targets(result)]
    return ["## Targets", "", *table(["what", "target", "measured", "verdict"], rows)] if rows else []


def head(quick):
    yield from ["# Results", "", "Written by `bench/run" + (" --quick" if quick else "") + f"` on {date.today()}. Compare only within "
                "one run: the machine's speed drifts.", ""]
    yield (f"- machine: {os.cpu_count()} cores, {cpu_model()}, {memory_gib():.0f} GiB, Linux {platform.release().split('-')[0]}; "
           "broker, database, Sealstream and load share them")
    yield (f"- versions: revision {revision()}, "
           f"{first_line('/usr/lib/postgresql/15/bin/postgres', '--version')}, Apache Kafka 4.3.0, {first_line('g++', '--version')}")
    yield ("- method: one broker and one database server of their own, fresh, with fsync, synchronous_commit, chain, scan and every index "
           "on, a quarter of the memory as shared_buffers. What is compared is run in turn (A B A B) and compared round by round; each "
           "program's head says how it measures.")
    yield "- what was tried where a target is missed, with figures: [src/README.md](../src/README.md), Decisions, from \"CPU of an event\" on"


def section(name, result):
    """What a program says, and which revision it ran at if that was another one."""
    title, *rest = kPrograms[name].text(result)
    here = revision()
    earlier = [] if result.get("at_revision", here) == here else ["", f"Run on {result['date']} at revision {result['at_revision']}."]
    return [title, *earlier, *rest]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    files = {name: arguments.results / f"{name}.json" for name in kPrograms}
    results = {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}
    parts = [head(arguments.quick), target_table(results), *(section(name, result) for name, result in results.items())]
    print("\n\n".join("\n".join(part) for part in map(list, parts) if part))


if __name__ == "__main__":
    main()
