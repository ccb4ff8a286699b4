"""What PostgreSQL itself can take, and what its indexes cost: psql \\copy … binary of the rows that a run produced, one session.

    bench/run copy_ceiling          (or: "$(tests/run --python)" bench/copy_ceiling.py --events 300000)

Empty at the start, the rows in the order in which the run wrote them, into a table without indexes, into one with the chain's index
alone, and into the ledger with all of its indexes and triggers, in turn. Several sessions are in ingest_bench.
"""

import argparse

from figures import finish, spread, table
from stage import Backlog, stage

kTables = {
    "no index": "CREATE TABLE audit.other (LIKE audit.ledger)",
    "unique (tenant_id, seq)": "CREATE TABLE audit.other (LIKE audit.ledger, UNIQUE (tenant_id, seq))",
    "all of the ledger's": None}


def copy(backlog, file, other):
    deployed = backlog.empty_database()
    if other:
        backlog.postgres.psql(other, deployed.database)
    result = backlog.copy(deployed, [file], into="audit.other" if other else None)
    deployed.close()
    return result


def measure(events, tenant_count, rounds):
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, tenant_count)
        deployed = backlog.empty_database()
        backlog.drain(deployed)
        file = backlog.dump(deployed, directory / "rows.copy")
        deployed.close()
        runs = {name: [] for name in kTables}
        for _ in range(rounds):
            for name, other in kTables.items():
                runs[name].append(copy(backlog, file, other))
    return {"name": "copy_ceiling", "events": events, "rounds": rounds, "tables": {
        name: {"rows_per_s": spread([run["rows_per_s"] for run in done], 0),
               "server_cpu_us": spread([run["server_cpu_s"] * 1e6 / events for run in done], 1)} for name, done in runs.items()}}


def text(result):
    yield from [f"## copy_ceiling: psql \\copy … binary of {result['events']:,} rows of a run, one session, {result['rounds']} rounds", ""]
    yield from table(["indexes", "rows/s", "CPU µs a row: server"], [[name, *run.values()] for name, run in result["tables"].items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    finish(measure(arguments.events, arguments.tenants, arguments.rounds), text)


if __name__ == "__main__":
    main()
