"""What users have today, beside Sealstream: each drains the same events into a table of the same columns and indexes, in turn.

    bench/run peers_bench           (or: "$(tests/run --python)" bench/peers_bench.py --events 400000 --warm 1200000)

| column | means |
|---|---|
| rows/s | from the first row to the last; the JVM compiles meanwhile, so Debezium drains --warm events, the same ones first |
| Sealstream / it | rows/s by the peer's, pair by pair, in one interleaved run (A B C D A B C D) |
| CPU µs | of the sink and of PostgreSQL, for each event, between those two moments |
| cores | what the sink itself was busy with of the machine's; a sink of one thread is at its limit at 1 |
| kill -9 | right after a commit once half of the events are there, then a restart: rows twice or lost at the end, and how long no row came |
| with unique keys | the same with the ledger's unique keys, and ON CONFLICT where the peer has it |
| behind U+0000 | whether 100 events behind one with \\u0000 in a string, of the same partition, arrive |

The peers' table has no chain, no positions and no read models: what only Sealstream writes stays NULL there, so their rows are
narrower and they do less. The other columns are compared: the first round must leave the same values in every sink.
"""

import argparse
import sys
import time
from pathlib import Path

from events import lines, tenants
from figures import finish, progress, spread, table
from stage import ServerCpu, cpu_seconds, stage

sys.path.append(str(Path(__file__).resolve().parent / "peers"))

from kills import in_words, measure_kills  # noqa: E402
from log import Log, counted, kForms, session_of, wait, wait_progress  # noqa: E402
from rows import kColumns  # noqa: E402
from sinks import Array, Debezium, Sealstream, connect_files, kPeers  # noqa: E402


def fingerprint(session, sink, events):
    """Count and sum of hashes of the rows of the first `events` events, in what every sink writes; 0.10 is 0.1."""
    columns = ", ".join("trim_scale(cost_usd)" if column == "cost_usd" else column for column in kColumns)
    return session.execute(f"SELECT count(*), sum(hashtextextended(({columns})::text, 0)) FROM {sink.table}"
                           " WHERE event_id < %s", [f"01JB{events:012d}"]).fetchone()


def drain(sink, count):
    """Rates and CPU between the first row and the last."""
    with session_of(sink) as session:
        sink.start()
        first = wait_progress(sink, session, 1)
        begin, own, server = time.monotonic(), cpu_seconds([sink.pid]), ServerCpu(sink.deployed.postgres)
        wait_progress(sink, session, count)
        wait(sink, lambda: counted(session, sink)[0] >= count)  # the last commit
        seconds, own, rows = time.monotonic() - begin, cpu_seconds([sink.pid]) - own, count - first
        assert rows > 0, f"{sink.title} had all {count} rows at the first look: send more events"
        progress(f"{sink.title}: {rows / seconds:,.0f} rows/s")
        return {"rows_per_s": rows / seconds, "cores": own / seconds, "sink_cpu_us": own * 1e6 / rows,
                "server_cpu_us": server.used() * 1e6 / rows}


def measure_drains(log, events, warm, rounds):
    """The runs of each class, in turn; asserts that the first round left the same rows."""
    counts = {kind: warm if kind is Debezium else events for kind in (Sealstream, *kPeers)}
    runs = {kind: [] for kind in counts}
    written = {}
    for _ in range(rounds):
        for kind, count in counts.items():
            sink = log.sink(kind)
            runs[kind].append(drain(sink, count))
            sink.kill()
            if kind not in written:
                with session_of(sink) as session:
                    written[kind] = fingerprint(session, sink, events)
            sink.deployed.close()
    assert len(set(written.values())) == 1, f"the sinks wrote different rows: {written}"
    return runs


def measure(events, warm, rounds, kill_events, session_s, tenant_count=10_000):
    connect_files()
    with stage() as (postgres, kafka, directory):
        log = Log(postgres, kafka, directory / "drains")
        log.publish({"event": events, "flat": events, "strings": warm}, lines(max(events, warm), tenants(tenant_count)))
        runs = measure_drains(log, events, warm, rounds)
        log = Log(postgres, kafka, directory / "kills")
        log.publish(dict.fromkeys(kForms, kill_events), lines(kill_events, tenants(tenant_count)))
        kills = measure_kills(log, kill_events, session_s)
    ours = [run["rows_per_s"] for run in runs[Sealstream]]
    digits = {"rows_per_s": 0, "cores": 2, "sink_cpu_us": 1, "server_cpu_us": 1}
    return {"name": "peers_bench", "events": events, "warm": warm, "kill_events": kill_events, "session_s": session_s,
            "tenants": tenant_count, "rounds": rounds, "sinks": {
                kind.title: {"records": kind.records, "guarantee": kind.guarantee, **kills[kind],
                             "ratio": spread([mine / run["rows_per_s"] for mine, run in zip(ours, done)]),
                             **{key: spread([run[key] for run in done], places) for key, places in digits.items()}}
                for kind, done in runs.items()}}


def text(result):
    sinks = result["sinks"].items()
    yield from [f"## peers_bench: {result['events']:,} events (Debezium: {result['warm']:,}), {result['tenants']:,} tenants (Zipf 1), "
                f"{result['rounds']} rounds; same columns and indexes, no chain but in Sealstream", ""]
    yield from table(["", "rows/s", "Sealstream / it", "CPU µs: sink", "CPU µs: server", "cores"],
                     [[title, *(sink[key] for key in ("rows_per_s", "ratio", "sink_cpu_us", "server_cpu_us", "cores"))]
                      for title, sink in sinks])
    yield from ["", f"One kill -9 each, soon after a commit beyond half of {result['kill_events']:,} events, and a restart: luck decides how many "
                f"rows are twice, up to what is guaranteed. The peers' session timeout is {result['session_s']} s (Kafka's default: 45).", ""]
    yield from table(["", "kill -9", "with unique keys", "behind U+0000", "guarantees", "reads"],
                     [[title, in_words(sink["kill"]), in_words(sink["kill_unique"]), "goes on" if sink["passes_poison"] else "blocked",
                       sink["guarantee"], sink["records"]] for title, sink in sinks])


def targets(result):
    """(what, at least or at most, limit, measured)"""
    for kind, limit in ((Array, 1.3), (Debezium, 3)):
        yield f"rows/s, multiple of {kind.title}", "≥", limit, result["sinks"][kind.title]["ratio"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--warm", type=int, default=1_200_000, help="events that Debezium drains, no fewer than --events")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kill-events", type=int, default=200_000)
    parser.add_argument("--session-s", type=int, default=45, help="session timeout of the killed peers")
    arguments = parser.parse_args()
    finish(measure(arguments.events, arguments.warm, arguments.rounds, arguments.kill_events, arguments.session_s), text)


if __name__ == "__main__":
    main()
