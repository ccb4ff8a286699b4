"""How long partitions stand still when their instance goes: killed (SIGKILL), or stopped (SIGTERM).

    bench/run takeover_bench        (or: "$(tests/run --python)" bench/takeover_bench.py --rounds 3)

Two instances share a topic that gets 2,000 events a second in an open loop. One of them goes; what counts is the time from the signal
until another session sees a new row of one of its partitions sealed by the other instance (first), and of each of them (all). Then
it comes back, and the next round begins when both own partitions again.
"""

import argparse
import signal
import time

import psycopg
from figures import finish, progress, spread, table
from open_loop import start
from stage import Backlog, stage, wait_claimed

kRate = 2_000
kTenants = 10_000
kSignals = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM}


def positions(session):
    return session.execute("SELECT partition, owner, next_offset FROM audit.partitions").fetchall()


def standstill(session, ingester, number):
    """Seconds from that signal until the first and the last of the instance's partitions go on under another owner."""
    mine = {partition for partition, owner, _ in positions(session) if owner == ingester.name}
    assert mine, f"{ingester.name} owns nothing"
    ingester.signal(number)
    begin, taken, moved = time.monotonic(), {}, {}
    while len(moved) < len(mine):
        for partition, owner, offset in positions(session):
            if partition in mine - moved.keys() and owner != ingester.name and offset > taken.setdefault(partition, offset):
                moved[partition] = time.monotonic() - begin
        assert time.monotonic() - begin < 60, f"{len(mine) - len(moved)} partitions stand still"
        time.sleep(0.005)
    return min(moved.values()), max(moved.values())


def measure(rounds):
    waits = {name: [] for name in kSignals}
    with stage() as (postgres, kafka, directory):
        backlog = Backlog(postgres, kafka, directory, 0, kTenants)
        deployed = backlog.empty_database()
        with psycopg.connect(deployed.uri_for_checker(), autocommit=True) as session:
            leaver, stays = (deployed.ingester(name, ingest={"owner": name}) for name in ("leaves", "stays"))
            producer = start(kafka, backlog.topic, kRate, 60 + rounds * 60, kTenants)
            for _ in range(rounds):
                for name, number in kSignals.items():
                    wait_claimed(session, "-infinity", 2)
                    waits[name].append(standstill(session, leaver, number))
                    progress(f"{name}: the first after {waits[name][-1][0]:.2f} s, all after {waits[name][-1][1]:.2f} s")
                    leaver.wait_end()
                    leaver.start().wait_ready()
            producer.kill()
            producer.wait()
        deployed.close()
    return {"name": "takeover_bench", "rounds": rounds, "seconds": {
        name: {"first": spread([first for first, _ in done]), "all": spread([last for _, last in done])} for name, done in waits.items()}}


def text(result):
    yield from [f"## takeover_bench: from the signal to a new row by the other instance, seconds, {result['rounds']} rounds", ""]
    yield from table(["", "first partition", "all partitions"],
                     [[name, waits["first"], waits["all"]] for name, waits in result["seconds"].items()])


def targets(result):
    """(what, at least or at most, limit, measured)"""
    for name, limit in [("SIGKILL", 12), ("SIGTERM", 2)]:
        yield f"{name} to the first new row, s (longest of {result['rounds']})", "≤", limit, result["seconds"][name]["first"]["max"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    finish(measure(parser.parse_args().rounds), text)


if __name__ == "__main__":
    main()
