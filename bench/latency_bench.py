"""How long an event takes from the moment it is due at its producer until its row is visible, at fixed rates.

    bench/run latency_bench         (or: "$(tests/run --python)" bench/latency_bench.py --rates 1000 5000 --seconds 20)

The producer (open_loop.py) never waits for the system. A row is visible when another session sees it: positions become visible with
the rows in one commit, and one session looks at them every 2 ms, so a figure is up to 2 ms and a look too large. The commit's
timestamp would be too small, since PostgreSQL takes it before it flushes the WAL.

| column | means |
|---|---|
| p50 … max | ms from the moment the event was due to the look that saw it; a run to warm up and each rate's first second are left out |
| from Kafka | the same from recorded_at, the broker's LogAppendTime in whole ms |
| drained after | ms from the last event's due moment until all are visible; a rate is sustained when that is under a second |
| a batch's fill … commit | ms of a batch in each stage of its lane, mean: gathering, asking what is stored, sealing, transaction |
| producer late | p99 of how late the producer was to call produce(), which is in the latency |

A rate that is not sustained is tried again at 3/4 of it until one is.
"""

import argparse
import json

import psycopg
from figures import finish, progress, table
from open_loop import Looks, start
from stage import Backlog, Cpu, stage

kWarmUp_s = 1
kSustained_ms = 1_000
kStages = ("fill", "prepare", "seal", "commit")
kPercentiles = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "max": 1.0}

kLatency = """
SELECT percentile_disc(%(shares)s::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM seen.at - event_time)::float8 * 1000),
  percentile_disc(%(shares)s::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM seen.at - recorded_at)::float8 * 1000), count(*)
FROM audit.ledger, LATERAL (SELECT at FROM looks WHERE partition = kafka_partition AND next_offset > kafka_offset
                            ORDER BY next_offset, at LIMIT 1) AS seen
WHERE event_time >= to_timestamp(%(begin)s)"""


def percentiles(session, looks, begin):
    session.execute("CREATE TEMP TABLE IF NOT EXISTS looks (at timestamptz, partition bigint, next_offset bigint)")
    session.execute("TRUNCATE looks")
    with session.cursor() as cursor, cursor.copy("COPY looks FROM STDIN") as copy:
        for moment, partition, offset in looks.changes:
            copy.write_row((psycopg.TimestampFromTicks(moment), partition, offset))
    session.execute("CREATE INDEX IF NOT EXISTS looks_idx ON looks (partition, next_offset, at)")
    session.execute("ANALYZE looks")
    due, kafka, rows = session.execute(kLatency, {"shares": list(kPercentiles.values()), "begin": begin + kWarmUp_s}).fetchone()
    named = [dict(zip(kPercentiles, (round(value, 1) for value in values))) for values in (due, kafka)]
    return {"rows": rows, "ms": named[0], "from_kafka_ms": named[1]}


class Stages:
    """What a batch spent in each stage of its lane, ms, mean since this was made."""

    def __init__(self, ingester):
        self._ingester, self._before = ingester, self._now(ingester)

    @staticmethod
    def _now(ingester):
        return {(stage, part): ingester.metric(f"sealstream_stage_duration_seconds_{part}", stage=stage)
                for stage in kStages for part in ("sum", "count")}

    def means(self):
        now = self._now(self._ingester)
        spent = {key: now[key] - before for key, before in self._before.items()}
        return {stage: round(spent[stage, "sum"] * 1000 / max(1, spent[stage, "count"]), 1) for stage in kStages}


def run(session, postgres, kafka, ingester, topic, rate, seconds, tenant_count, number):
    """One rate for that many seconds, from an empty backlog to an empty backlog."""
    looks = Looks(session)
    before = looks.look()
    cpu, stages = Cpu(postgres, kafka, [ingester.pid]), Stages(ingester)
    producer = start(kafka, topic, rate, seconds, tenant_count, number)
    looks.until(lambda sealed: sealed - before >= int(rate * seconds), seconds + 300)
    drained = looks.changes[-1][0]
    used, means = cpu.used([ingester.pid]), stages.means()
    told = json.loads(producer.communicate()[0])
    assert producer.returncode == 0
    after = (drained - told["begin"] - (told["sent"] - 1) / rate) * 1000
    result = {"rate": rate, "seconds": seconds, "sustained": after <= kSustained_ms, "drained_after_ms": round(after, 1),
              "late_ms": round(told["late_ms"]["p99"], 2), "look_ms": round((drained - told["begin"]) * 1000 / looks.count, 2),
              "stages_ms": means, **percentiles(session, looks, told["begin"]),
              "cpu_us": {part.removesuffix("_cpu_s"): round(value * 1e6 / told["sent"], 1) for part, value in used.items()}}
    progress(f"{rate:,.0f}/s: {result['ms']}, drained after {after:.0f} ms")
    return result


def measure(rates, seconds, tenant_count):
    results = []
    with stage() as (postgres, kafka, directory):
        empty = Backlog(postgres, kafka, directory, 0, tenant_count)
        deployed = empty.empty_database()
        ingester = deployed.ingester()
        with psycopg.connect(deployed.uri_for_checker(), autocommit=True) as session:
            run(session, postgres, kafka, ingester, empty.topic, 2_000, 3, tenant_count, 0)  # a cold JVM is not the question
            for rate in rates:
                while True:
                    results.append(run(session, postgres, kafka, ingester, empty.topic, rate, seconds, tenant_count, len(results) + 1))
                    if results[-1]["sustained"] or rate < 1_000:
                        break
                    rate *= 0.75
        deployed.close()
    return {"name": "latency_bench", "tenants": tenant_count, "runs": results}


def text(result):
    yield from [f"## latency_bench: from the producer to the visible row, open loop, {result['tenants']:,} tenants (Zipf 1)", "",
                "Milliseconds from the moment an event was due. CPU in µs an event, what is spent on waiting included.", ""]
    yield from table(["events/s", "p50", "p99", "p99.9", "max", "from Kafka: p50", "p99", "drained after", "producer late", "sustained",
                      "a batch's fill", *kStages[1:], "CPU: ours", "server", "broker", "other"],
                     [[f"{run['rate']:,.0f}", *run["ms"].values(), run["from_kafka_ms"]["p50"], run["from_kafka_ms"]["p99"],
                       run["drained_after_ms"], run["late_ms"], "yes" if run["sustained"] else "**no**",
                       *run["stages_ms"].values(), *run["cpu_us"].values()]
                      for run in result["runs"]])


def targets(result):
    """(what, at least or at most, limit, measured)"""
    for run in result["runs"]:
        if run["rate"] == 5_000:
            yield "due to visible at 5,000 events/s, p50 ms", "≤", 15, run["ms"]["p50"]
            yield "due to visible at 5,000 events/s, p99 ms", "≤", 50, run["ms"]["p99"]
        if run["rate"] < 100:
            yield f"due to visible on a quiet topic ({run['rate']:g} events/s), p50 ms", "≤", 10, run["ms"]["p50"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 1_000, 5_000, 20_000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--tenants", type=int, default=10_000)
    arguments = parser.parse_args()
    finish(measure(arguments.rates, arguments.seconds, arguments.tenants), text)


if __name__ == "__main__":
    main()
