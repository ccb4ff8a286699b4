"""Kills one ingester with -9, again and again, at every point where a crash could hurt, while a producer never stops.

    tests/crash/run_crashes.py [--cycles N] [--seed S]

The points are those of src/ingest/sabotage.h, which the environment names to the build `sabotage`, and those of
server_points.py. Each dies or ends a backend at the n-th passage; points and n are drawn from the seed, every point equally
often. A point that is not reached within a minute fails the run. The independent checker judges after every 50 cycles, and
looks in the middle of them. Prints each point with its kills and the longest recovery: from the next start, until all is
sealed that was acknowledged when it died, where it is not killed again meanwhile. Exit code 0: all invariants held.
"""

import argparse
import itertools
import random
import sys
import time
from pathlib import Path

import psycopg

kRoot = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(kRoot / "tests" / "e2e")]

from crashes import Crashes  # noqa: E402
from deployment import Deployment  # noqa: E402
from observe import observe  # noqa: E402
from own_servers import own_servers  # noqa: E402
from traffic import Traffic, rounds  # noqa: E402

kSabotaged = kRoot / "build" / "sabotage" / "src" / "app" / "sealstream"
kCyclesBetweenVerdicts = 50


def run(crashes, deployment, dice, cycles):
    drawn = rounds(list(crashes.points), dice)
    acknowledged = done = 0
    while done < cycles:
        some = min(kCyclesBetweenVerdicts, cycles - done)
        with Traffic(deployment, random.Random(dice.random()), crashes.ends) as traffic:
            for number, point in enumerate(itertools.islice(drawn, some)):
                if number == some // 2:
                    observe(deployment.uri_for_checker(), deployment.keyring, deployment.observations)
                crashes.happens(point)
        done += some
        acknowledged += traffic.acknowledged
        crashes.catch_up(acknowledged)
        deployment.check()
        deployment.sealstream("verify")
        print(f"{done:>5} cycles, {acknowledged} records: every invariant holds", flush=True)


def print_table(crashes):
    print(f"\n{'point':<32}{'kills':>6}{'longest recovery':>20}")
    for point in crashes.points:
        print(f"{point:<32}{crashes.kills[point]:>6}{crashes.longest_s[point]:>18.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"{options.cycles} cycles from seed {options.seed}", flush=True)
    dice = random.Random(options.seed)
    begin = time.monotonic()
    with own_servers("crash") as servers:
        deployment = Deployment(*servers)
        deployment.binary = kSabotaged
        deployment.migrate()
        with psycopg.connect(deployment.uri_for_checker(), autocommit=True) as session:
            crashes = Crashes(deployment, session, dice)
            run(crashes, deployment, dice, options.cycles)
        deployment.close()
    print_table(crashes)
    never = [point for point in crashes.points if not crashes.kills[point]]
    assert not never, f"never reached: {never}"
    print(f"{sum(crashes.kills.values())} kills at {len(crashes.points)} points from seed {options.seed} in"
          f" {time.monotonic() - begin:.0f} s: every invariant held, longest recovery {max(crashes.longest_s.values()):.2f} s")


if __name__ == "__main__":
    main()
