"""How fast `sealstream verify` recomputes every chain of a ledger that PostgreSQL holds in memory.

    bench/run verify_bench          (or: "$(tests/run --python)" bench/verify_bench.py --events 300000)

| column | means |
|---|---|
| events/s | rows by the time of the whole command |
| CPU µs | for each event, of the command (or of psql) and of PostgreSQL |
| events per CPU second | of ours alone: what one core would verify if rows came by themselves |

Beside it, in turn: psql \\copy … binary of the same rows in the same order to /dev/null, which is what the server takes to hand them out.
With several workers where the program has an option for it.
"""

import argparse
import json
import re
import resource
import subprocess
import time

from figures import finish, progress, spread, table
from stage import Backlog, ServerCpu, stage

kOrdered = "\\copy (SELECT * FROM audit.ledger ORDER BY tenant_id, seq) to /dev/null binary"


def timed(postgres, command):
    """(what it printed, {seconds, own and server CPU}) of a command that must end well."""
    server, before, begin = ServerCpu(postgres), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    seconds, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}"
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, {"seconds": seconds, "own_cpu_s": own, "server_cpu_s": server.used()}


def commands(deployed):
    """name -> command."""
    verify = [str(deployed.binary), "verify", "--json", "--config", str(deployed.config)]
    option = re.search(r"(--(?:jobs|parallel|workers|threads|connections))\b", subprocess.run(
        [str(deployed.binary), "verify", "--help"], capture_output=True, text=True).stdout)
    workers = {f"verify, {count} worker{'s' * (count > 1)}": [*verify, option[1], str(count)] for count in (1, 2)} if option else {}
    return {**(workers or {"verify": verify}), "psql \\copy to /dev/null": ["psql", "-qX", deployed.uri_for_checker(), "-c", kOrdered]}


def measure(events, tenant_count, rounds):
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, tenant_count)
        deployed = backlog.empty_database()
        backlog.drain(deployed)
        postgres.psql("VACUUM ANALYZE audit.ledger", deployed.database)
        asked = commands(deployed)
        runs = {name: [] for name in asked}
        for number in range(rounds + 1):
            for name, command in asked.items():
                printed, run = timed(postgres, command)
                if name.startswith("verify"):
                    assert json.loads(printed)["rows"] == events, printed
                if number > 0:  # the first brings the rows into memory
                    runs[name].append(run)
                    progress(f"{name}: {events / run['seconds']:,.0f} events/s")
        deployed.close()
    return {"name": "verify_bench", "events": events, "tenants": tenant_count, "rounds": rounds, "runs": {
        name: {"events_per_s": spread([events / run["seconds"] for run in done], 0),
               "own_cpu_us": spread([run["own_cpu_s"] * 1e6 / events for run in done]),
               "server_cpu_us": spread([run["server_cpu_s"] * 1e6 / events for run in done]),
               "events_per_own_cpu_s": spread([events / run["own_cpu_s"] for run in done], 0)} for name, done in runs.items()}}


def text(result):
    yield from [f"## verify_bench: {result['events']:,} events of {result['tenants']:,} chains, in memory, {result['rounds']} rounds", ""]
    yield from table(["", "events/s", "CPU µs: own", "CPU µs: server", "events per CPU second of its own"],
                     [[name, *run.values()] for name, run in result["runs"].items()])


def targets(result):
    """(what, at least or at most, limit, measured)"""
    run = next(iter(result["runs"].values()))
    yield "verify, events a second of one core of ours", "≥", 400_000, run["events_per_own_cpu_s"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    finish(measure(arguments.events, arguments.tenants, arguments.rounds), text)


if __name__ == "__main__":
    main()
