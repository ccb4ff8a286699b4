"""An open loop: events that are due at fixed moments whatever the system does, and looks at what of them is visible.

As a program it is the producer, a process of its own; it prints how late it called produce(). An event's `time` is the moment at
which it was due, so that a stall of the producer, of Kafka, of Sealstream or of PostgreSQL is in the latency of every event that was
due meanwhile.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone

import confluent_kafka
from events import data, kActions, kFamilies, random, tenants

kBodies = 5_000  # of distinct data, sent in turn
kLook_s = 0.002


def start(kafka, topic, rate, seconds, tenant_count, number=0):
    """The producer, started; number: makes event ids distinct from another start's."""
    return subprocess.Popen([sys.executable, __file__, kafka.address, topic, *map(str, (rate, seconds, tenant_count, number))],
                            stdout=subprocess.PIPE, text=True)


def bodies(tenant_count, number):
    """What is sent in turn: (tenant, what stands before the id, before the time, behind the time)."""
    dice = random.Random(number)
    for _, tenant in zip(range(kBodies), tenants(tenant_count, seed=number)):
        family = dice.choice(kFamilies)
        yield (tenant, '{"specversion":"1.0","id":"01JB%s%%010d' % f"{number:04d}",
               f'","source":"bench","type":"audit.{family}.{kActions[family]}.v1","tenantid":"{tenant}","time":"',
               f'","data":{json.dumps(data(family, dice), separators=(",", ":"))}}}')


def produce(broker, topic, rate, seconds, tenant_count, number):
    """Sends all of it; {begin: wall clock, sent, late_ms: {p99, max} of the calls}."""
    producer = confluent_kafka.Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random", "enable.idempotence": True,
                                         "acks": "all", "linger.ms": 1, "compression.type": "lz4",
                                         "queue.buffering.max.messages": 2_000_000})
    producer.list_topics(topic, timeout=10)
    made = list(bodies(tenant_count, number))
    total, sent, late = int(rate * seconds), 0, [0.0, 0.0]
    begin = time.time() + 0.5
    while sent < total:
        due = min(total, int((time.time() - begin) * rate) + 1)
        for sequence in range(sent, due):
            moment = begin + sequence / rate
            tenant, head, middle, tail = made[sequence % kBodies]
            text = datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            producer.produce(topic, key=tenant, value=f"{head % sequence}{middle}{text}{tail}")
            late.append(time.time() - moment)
        sent = max(sent, due)
        producer.poll(0)
        time.sleep(max(0.0005, begin + sent / rate - time.time()))
    assert producer.flush(60) == 0
    return {"begin": begin, "sent": sent, "late_ms": {"p99": statistics.quantiles(late, n=100)[98] * 1e3, "max": max(late) * 1e3}}


class Looks:
    """Positions of all partitions as one session sees them, every 2 ms: when each offset was visible at the latest."""

    def __init__(self, session):
        self._session = session
        self._last = {}
        self.changes = []  # (wall clock, partition, next offset)
        self.count = 0

    def look(self):
        """Returns what is sealed."""
        rows = self._session.execute("SELECT partition, next_offset FROM audit.partitions", binary=True).fetchall()
        now = time.time()
        self.changes += [(now, partition, offset) for partition, offset in rows if self._last.get(partition) != offset]
        self._last = dict(rows)
        self.count += 1
        return sum(self._last.values())

    def until(self, reached, deadline_s):
        """Looks until reached(what is sealed)."""
        end = time.monotonic() + deadline_s
        while not reached(self.look()):
            assert time.monotonic() < end, f"{sum(self._last.values())} records are sealed after {deadline_s} s"
            time.sleep(kLook_s)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("broker")
    parser.add_argument("topic")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("tenants", type=int)
    parser.add_argument("number", type=int)
    arguments = parser.parse_args()
    print(json.dumps(produce(*vars(arguments).values())))


if __name__ == "__main__":
    main()
