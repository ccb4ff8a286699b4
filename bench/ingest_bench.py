"""How fast a backlog is drained, beside psql \\copy … binary of the same rows in the same order into the same empty schema.

    bench/run ingest_bench          (or: "$(tests/run --python)" bench/ingest_bench.py --events 300000 --tenants 10000:1)

Every round drains the topic once and then copies what the first round's drain wrote, in 1, 2, 3 and 4 sessions, each into an empty,
migrated database with every index and trigger (A B A B). Several sessions get the pages of the ledger's heap dealt in turn: each
keeps the order of its rows, and neighbours stay together as in a batch, which costs the server less than dealing rows or tenants.

| row | means |
|---|---|
| rows/s | of a drain: from the claim of the partitions to the last commit, fetch, decode, scan, seal, COPY, heads, read models, positions |
| of … | rows/s as a share of \\copy's, round by round; the best number of sessions is the one with the best median |
| CPU µs | for each event, start of the program included; other: all that the machine did beside (the kernel's own work, this program) |
| server + ours | their CPU, as a multiple of the server's for \\copy |
| where the time goes | of a drain, from the claim on: each µs of the machine's cores is someone's CPU, or idle because everyone waits |
"""

import argparse

from figures import finish, progress, spread, table
from stage import Backlog, kServerSettings, stage
from statements import drained, kSettings, watched

kSessions = (1, 2, 3, 4)
kWorkloads = ["10000:1", "100000:0", "1000000:0"]
kParts = ("sealstream", "server", "broker", "client", "other")


def rounds_of(backlog, directory, rounds, session):
    """The drains, and for each number of sessions the copies."""
    drains, copies, files = [], {sessions: [] for sessions in kSessions}, {}
    for number in range(rounds):
        deployed = backlog.empty_database()
        drains.append(drained(backlog, deployed, session))
        for sessions in kSessions if not files else ():
            files[sessions] = [backlog.dump(deployed, directory / f"{sessions}-{part}.copy", part, sessions)
                               for part in range(sessions)]
        deployed.close()
        for sessions in kSessions:
            deployed = backlog.empty_database()
            copies[sessions].append(backlog.copy(deployed, files[sessions]))
            deployed.close()
        progress(f"round {number + 1}: {drains[-1]['rows_per_s']:,.0f} rows/s, \\copy",
                 ", ".join(f"{copies[sessions][-1]['rows_per_s']:,.0f}" for sessions in kSessions))
    return drains, copies


def figures_of(runs, events):
    """Rate and CPU of some runs, with their spread."""
    cpu = {part: spread([run[f"{part}_cpu_s"] * 1e6 / events for run in runs], 1)
           for part in kParts if f"{part}_cpu_s" in runs[0]}
    return {"rows_per_s": spread([run["rows_per_s"] for run in runs], 0), "cpu_us": cpu}


def where_time_goes(drains, events):
    """What each part had of the cores' time, µs an event, from the claim on; they add up to all of it."""
    parts = [{"Sealstream": run["claimed"]["sealstream_cpu_s"],
              **{f"PostgreSQL: {kind}": seconds for kind, seconds in run["by_statement"].items()},
              "broker": run["claimed"]["broker_cpu_s"], "everything else": run["claimed"]["other_cpu_s"],
              "idle": run["claimed"]["idle_s"]} for run in drains]
    for part in parts:
        part["all cores"] = sum(part.values())
    return {name: spread([part[name] * 1e6 / events for part in parts], 1) for name in parts[0]}


def against(drains, copies):
    """Ratios, round by round."""
    return {"of_copy": spread([drain["rows_per_s"] / copy["rows_per_s"] for drain, copy in zip(drains, copies)]),
            "cpu_of_copy": spread([(drain["sealstream_cpu_s"] + drain["server_cpu_s"]) / copy["server_cpu_s"]
                                   for drain, copy in zip(drains, copies)])}


def measure(events, workloads, rounds, rounds_beside):
    measured = []
    with stage(kServerSettings | kSettings) as (postgres, kafka, directory), watched(postgres) as session:
        for number, workload in enumerate(workloads):
            tenant_count, exponent = workload.split(":")
            progress(f"{events:,} events, {int(tenant_count):,} tenants, Zipf {exponent}")
            backlog = Backlog(postgres, kafka, directory, events, int(tenant_count), float(exponent))
            drains, copies = rounds_of(backlog, directory, rounds_beside if number else rounds, session)
            by_sessions = {str(sessions): figures_of(runs, events) for sessions, runs in copies.items()}
            best = max(kSessions, key=lambda sessions: by_sessions[str(sessions)]["rows_per_s"]["median"])
            measured.append({"tenants": int(tenant_count), "zipf": float(exponent), "rounds": len(drains), "best": best,
                             "drain": figures_of(drains, events), "time": where_time_goes(drains, events), "copy": by_sessions,
                             "peak_mib": round(max(drain["peak_mib"] for drain in drains)),
                             "one": against(drains, copies[1]), "several": against(drains, copies[best])})
    return {"name": "ingest_bench", "events": events, "event_bytes": round(backlog.event_bytes), "workloads": measured}


def title(workload):
    law = "uniform" if workload["zipf"] == 0 else f"Zipf({workload['zipf']:g})"
    return f"{workload['tenants']:,} tenants, {law}"


def text(result):
    yield from [f"## ingest_bench: a backlog of {result['events']:,} events of {result['event_bytes']} bytes, drained", "",
                "Ratios and figures are medians with (least to most) of the interleaved rounds."]
    for workload in result["workloads"]:
        runs = {"Sealstream": workload["drain"],
                **{f"\\copy, {sessions} session{'s' * (sessions != '1')}": run for sessions, run in workload["copy"].items()}}
        yield from ["", f"### {title(workload)}: {workload['rounds']} rounds, at most {workload['peak_mib']} MiB resident", ""]
        yield from table(["", "rows/s", *(f"CPU µs: {part}" for part in kParts)],
                         [[name, run["rows_per_s"], *(run["cpu_us"].get(part, "–") for part in kParts)] for name, run in runs.items()])
        yield ""
        best = f"best of 1 to 4 sessions ({workload['best']})"
        yield from table(["against \\copy", "one session", best],
                         [["rows/s, share", workload["one"]["of_copy"], workload["several"]["of_copy"]],
                          ["CPU of server + ours, multiple of the server's", workload["one"]["cpu_of_copy"],
                           workload["several"]["cpu_of_copy"]]])
        yield ""
        yield from table(["where the time goes", "µs an event"], workload["time"].items())


def targets(result):
    """(what, at least or at most, limit, measured)"""
    limits = {(10_000, 1.0): 0.75, (100_000, 0.0): 0.6, (1_000_000, 0.0): 0.4}
    for workload in result["workloads"]:
        several, name = workload["several"], title(workload)
        limit = limits.get((workload["tenants"], workload["zipf"]))
        if limit is None:
            continue
        yield f"rows/s of the best \\copy, {name}", "≥", limit, several["of_copy"]["median"]
        if limit == 0.75:
            yield f"rows/s of \\copy in one session, {name}", "≥", 1.2, workload["one"]["of_copy"]["median"]
            yield "CPU, ours and the server's, multiple of the best \\copy's", "≤", 1.35, several["cpu_of_copy"]["median"]
            yield "our own CPU an event, µs", "≤", 4, workload["drain"]["cpu_us"]["sealstream"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", nargs="+", default=kWorkloads, metavar="COUNT:ZIPF")
    parser.add_argument("--rounds", type=int, default=3, help="of the first workload")
    parser.add_argument("--rounds-beside", type=int, default=2, help="of the others")
    arguments = parser.parse_args()
    finish(measure(arguments.events, arguments.tenants, arguments.rounds, arguments.rounds_beside), text)


if __name__ == "__main__":
    main()
