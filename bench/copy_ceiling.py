"""What PostgreSQL itself can take: psql \\copy … binary of the rows that a run produced, in 1 to 4 sessions, and without indexes.

    bench/run copy_ceiling          (or: "$(tests/run --python)" bench/copy_ceiling.py --events 300000)

Empty at the start, the rows in the order in which the run wrote them, dealt to the sessions as in ingest_bench.
"""

import argparse

from figures import finish, spread, table
from stage import Backlog, stage

kSessions = (1, 2, 3, 4)


def without_indexes(backlog, deployed, file):
    """The same rows by one session into a logged table of the same columns and nothing else."""
    backlog.postgres.psql("CREATE TABLE audit.bare (LIKE audit.ledger)", deployed.database)
    return backlog.copy(deployed, [file], into="audit.bare")


def measure(events, tenant_count, rounds):
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, tenant_count)
        deployed = backlog.empty_database()
        backlog.drain(deployed)
        files = {sessions: [backlog.dump(deployed, directory / f"{sessions}-{part}.copy", part, sessions) for part in range(sessions)]
                 for sessions in kSessions}
        deployed.close()
        runs = {"1, no index": [], **{str(sessions): [] for sessions in kSessions}}
        for _ in range(rounds):
            for name, done in runs.items():
                deployed = backlog.empty_database()
                done.append(backlog.copy(deployed, files[int(name)]) if name.isdigit() else
                            without_indexes(backlog, deployed, files[1][0]))
                deployed.close()
    return {"name": "copy_ceiling", "events": events, "rounds": rounds,
            "rows_per_s": {name: spread([run["rows_per_s"] for run in done], 0) for name, done in runs.items()},
            "server_cpu_us": {name: spread([run["server_cpu_s"] * 1e6 / events for run in done], 1) for name, done in runs.items()}}


def text(result):
    yield from [f"## copy_ceiling: psql \\copy … binary of {result['events']:,} rows of a run, {result['rounds']} rounds", ""]
    yield from table(["sessions", "rows/s", "CPU µs a row: server"],
                     [[name, rate, result["server_cpu_us"][name]] for name, rate in result["rows_per_s"].items()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    finish(measure(arguments.events, arguments.tenants, arguments.rounds), text)


if __name__ == "__main__":
    main()
