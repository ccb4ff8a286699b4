"""What a kill -9 in the middle of a drain costs each sink, and whether one record that PostgreSQL cannot hold stops it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from events import lines
from figures import progress
from log import counted, kDeadline_s, kForms, session_of, wait
from sinks import Sealstream, kPeers

from local.process import log_tail, wait_until

kPoisonTenant = "tenant-0000000"
kBehindPoison = 100
kPoisonDeadline_s = 15
kQuiet_s = 3
kCommit_s = 5


def measure_kills(log, events, session_s):
    """By class. All at once, since most of the time is the consumer group's waiting for the dead.

    session_s: the session timeout of the peers; Kafka's default is 45.
    """
    plain = [log.sink(kind, unique=False, session_s=session_s) for kind in (Sealstream, *kPeers)]
    careful = [log.sink(kind, skip_known=True, session_s=session_s) for kind in kPeers]
    with ThreadPoolExecutor(len(plain) + len(careful)) as threads:
        results = list(threads.map(lambda sink: kill_and_restart(sink, events), plain + careful))
        for sink in careful:
            sink.kill()
        keyed_lines, behind = poison()
        log.publish(dict.fromkeys(kForms, len(keyed_lines)), keyed_lines)
        passed = list(threads.map(lambda sink: passes_poison(sink, behind), plain))
        for sink in plain:
            sink.kill()
    for sink in plain + careful:
        sink.deployed.close()
    with_keys = [results[0], *results[len(plain):]]  # Sealstream's ledger always has them
    return {type(sink): {"kill": result, "kill_unique": keyed, "passes_poison": well}
            for sink, result, keyed, well in zip(plain, results, with_keys, passed)}


def kill_and_restart(sink, events):
    """The costs of a kill -9 right after a commit, once half of the events are there; the sink runs on, unless it ended."""
    with session_of(sink) as session:
        sink.start()
        if not wait(sink, lambda: sink.progress(session) >= events // 2):
            assert not isinstance(sink, Sealstream), log_tail(sink.log, 40)
            return {"stood_still": sink.progress(session)}
        wait_commit(session)
        killed = time.monotonic()
        sink.kill()
        wait_alone(session)
        at_kill = sink.progress(session)
        ended = counted(session, sink)[1] == events
        sink.start()
        wait(sink, lambda: ended or sink.progress(session) > at_kill)
        away = time.monotonic() - killed
        wait(sink, lambda: sink.progress(session) >= events and counted(session, sink)[1] == events)
        if ended:
            cost = {"at": at_kill, "ended": True}
        elif sink.running():
            rows, distinct = settled(session, sink)
            cost = {"at": at_kill, "duplicates": rows - distinct, "lost": events - distinct, "away_s": round(away, 1)}
        else:
            cost = {"at": at_kill, "stops": log_tail(sink.log, 3)}
    progress(f"{sink.title}{', unique keys' if sink.skip_known else ''}, killed at {at_kill:,} of {events:,}: {in_words(cost)}")
    return cost


def wait_commit(session):
    """Until a transaction of this database ends: the likeliest moment for an offset to be missing."""
    question = "SELECT backend_xid::text FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
    before, end = set(), time.monotonic() + kCommit_s
    while True:
        open_now = {xid for (xid,) in session.execute(question)}
        if before - open_now or time.monotonic() > end:
            return
        before = open_now


def wait_alone(session):
    """Until the server noticed that the sink's sessions are gone: a commit may have been under way."""
    def others():
        return session.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                               " AND backend_type = 'client backend' AND pid <> pg_backend_pid()").fetchone()[0]

    wait_until(lambda: others() == 0, kDeadline_s, "the end of the killed sink's sessions")


def settled(session, sink):
    """The counts once no row came for some seconds: replayed records may follow the last new one."""
    while True:
        before = counted(session, sink), sink.progress(session)
        time.sleep(kQuiet_s)
        if (counted(session, sink), sink.progress(session)) == before:
            return before[0]


def in_words(cost):
    if "stops" in cost:
        return "stops"
    if "stood_still" in cost:
        return f"not measured: stood still at {cost['stood_still']:,}"
    if "ended" in cost:
        return "not measured: it had ended"
    told = [f"{cost[what]:,} {word}" for what, word in (("duplicates", "twice"), ("lost", "lost")) if cost[what]]
    return f"{', '.join(told) or 'exact'}; away {cost['away_s']} s"


def poison():
    """One event with U+0000 in a string and those behind it, of the same tenant; and the ids of the latter."""
    events = [json.loads(line.partition("\t")[2]) for line in lines(kBehindPoison + 1, repeat(kPoisonTenant), seed=2)]
    events[0]["data"]["actor"]["email"] = "nul\0@acme.example"
    return [f"{kPoisonTenant}\t{json.dumps(event)}\n" for event in events], [event["id"] for event in events[1:]]


def passes_poison(sink, behind):
    """Whether the events behind the poison, by their ids, arrive; a sink that does not get there is started once more."""
    with session_of(sink) as session:
        def arrived():
            question = f"SELECT count(*) FROM {sink.table} WHERE tenant_id = %s AND event_id = ANY(%s)"
            return session.execute(question, [kPoisonTenant, behind]).fetchone()[0] == len(behind)

        if wait(sink, arrived, kPoisonDeadline_s):
            return True
        sink.kill()
        sink.start()
        return wait(sink, arrived, kPoisonDeadline_s)
