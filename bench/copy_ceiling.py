"""What PostgreSQL itself can take: psql \\copy … binary of the rows that a run produced, in 1 to 4 sessions.

    bench/run copy_ceiling          (or: "$(tests/run --python)" bench/copy_ceiling.py --events 300000)

Same schema, same indexes and triggers, empty at the start, the rows in the order in which the run wrote them; for several
sessions the file is cut by rows, in turn.
"""

import argparse
import json

from ingest_bench import spread
from stage import Backlog, stage


def split(dump, directory, parts):
    """The rows of a binary COPY file dealt out to `parts` files."""
    data = dump.read_bytes()
    header, position = data[:19], 19
    outputs = [bytearray(header) for _ in range(parts)]
    number = 0
    while (fields := int.from_bytes(data[position:position + 2], "big", signed=True)) >= 0:
        begin, position = position, position + 2
        for _ in range(fields):
            length = int.from_bytes(data[position:position + 4], "big", signed=True)
            position += 4 + max(length, 0)
        outputs[number % parts] += data[begin:position]
        number += 1
    files = []
    for part, output in enumerate(outputs):
        files.append(directory / f"part-{parts}-{part}.copy")
        files[-1].write_bytes(bytes(output) + b"\xff\xff")
    return files


def measure(events, tenant_count, rounds):
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, events, tenant_count)
        dump = directory / "rows.copy"
        deployed = backlog.empty_database()
        backlog.drain(deployed, dump)
        deployed.close()
        files = {sessions: split(dump, directory, sessions) if sessions > 1 else [dump] for sessions in (1, 2, 3, 4)}
        rates = {sessions: [] for sessions in files}
        for _ in range(rounds):
            for sessions, parts in files.items():
                deployed = backlog.empty_database()
                rates[sessions].append(backlog.copy(deployed, parts)["rows_per_s"])
                deployed.close()
    return {"name": "copy_ceiling", "events": events, "rounds": rounds,
            "rows_per_s": {str(sessions): spread(values, 0) for sessions, values in rates.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.events, arguments.tenants, arguments.rounds)))


if __name__ == "__main__":
    main()
