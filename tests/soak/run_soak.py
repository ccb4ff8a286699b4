"""Two instances under load for as long as one likes, with a fault every minute.

    tests/soak/run_soak.py [--minutes N] [--rate N] [--seed S]

A producer sends 100 records a second, and at the beginning of every minute as many more as --rate asks for on average, as fast
as it can; while they come, the minute's fault happens. Faults are those of pool.py, drawn from the seed, every one equally often.
Each must be recovered from within its bound of the fault matrix. What every instance takes is held to the limits of vitals.py.
The independent checker and `sealstream verify --read-models` judge all there is after 10, 20, 40, 80 … minutes and at the end; a
snapshot is judged half-way in between. A record costs the checker about 6 KB of memory and 0.5 ms, and the disk 5 KB, so a long run
takes a lower rate. Exit code 0: all invariants held.
"""

import argparse
import random
import sys
import time
from collections import Counter
from functools import reduce
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(kRoot / "tests" / folder) for folder in ("e2e", "e2e/faults", "crash")]

from deployment import Deployment, Ingester, kBinary  # noqa: E402
from full_disk import FillableCluster  # noqa: E402
from observe import observe  # noqa: E402
from own_servers import own_servers  # noqa: E402
from local.process import wait_until  # noqa: E402
from pool import kSoon_s, pool  # noqa: E402
from proxy import Proxy  # noqa: E402
from recovery import Recovery, kGiveUp_s  # noqa: E402
import traffic  # noqa: E402
from vitals import Watch  # noqa: E402

kSteady_per_s = 100
kFirstVerdict = 10
kMinute_s = 60


class Load(traffic.Traffic):
    """Traffic that can surge: so many records more, as fast as they can be made."""

    def __init__(self, deployment, dice, ends):
        super().__init__(deployment, dice, ends, kSteady_per_s)
        self._asked = self._given = 0  # each written by one thread alone

    def surge(self, records):
        """Returns when a quarter of it was sent."""
        goal = self.sent + records // 4
        self._asked += records
        wait_until(lambda: self.sent >= goal, kSoon_s, "a surge")

    def send_events(self, count, tenants):
        surge = self._asked - self._given
        self._given += surge
        super().send_events(count + surge, tenants)


class Stand:
    """The deployment and all that can be done to it. load: the producer of now."""

    def __init__(self, servers, proxy):
        self.postgres, self.kafka, _ = servers
        self.proxy = proxy
        self.deployment = Deployment(*servers).migrate()
        self.one = self.deployment.ingester("one")
        self.two = self.deployment.ingester("two", postgres={"port": proxy.port})
        self.guest = Ingester(self.deployment, "guest")
        self.deployment.ingesters.append(self.guest)
        self.load = None
        self.ends = {}  # of what Kafka acknowledged, by partition
        self.recovery = None  # of the fault of now

    def recovers(self, also=lambda: True):
        """Until every partition is sealed as far as Kafka has acknowledged by now, and one more record; and that condition."""
        measured = traffic.Recovery("", self.ends, self.deployment.positions())
        self.deployment.wait(lambda: measured.over(self.deployment.positions()) and also(), kGiveUp_s, "I8: everything to be sealed")
        self.recovery.note(measured.seconds())

    def rests(self):
        self.recovers()
        for ingester in self.one, self.two:
            ingester.wait_ready()
            assert ingester.metric("sealstream_halted_partitions") == 0, f"I7: {ingester.name} has a halted partition"


class Soak:
    """faults: how often each happened; recoveries: name -> Recovery."""

    def __init__(self, stand, watch, dice, surge):
        self._stand, self._watch, self._dice, self._surge = stand, watch, dice, surge
        self._pool = pool(stand)
        self._drawn = traffic.rounds(list(self._pool), dice)
        self.recoveries = {name: Recovery(bound_s) for name, (bound_s, _) in self._pool.items()}
        self.faults = Counter()
        self.records = 0

    def run(self, minutes):
        begin = 0
        for end in verdicts(minutes):
            stand = self._stand
            with Load(stand.deployment, random.Random(self._dice.random()), stand.ends) as stand.load:
                for minute in range(begin, end):
                    self._minute(minute, next(self._drawn))
                    if minute == (begin + end) // 2:
                        observe(stand.deployment.uri_for_checker(), stand.deployment.keyring, stand.deployment.observations)
            self._verdict(end)
            begin = end

    def _minute(self, minute, name):
        due = time.monotonic() + kMinute_s
        stand = self._stand
        stand.load.surge(self._surge)
        stand.recovery = self.recoveries[name]
        self.faults[name] += 1
        began = time.monotonic()
        self._pool[name][1]()
        stand.recovers()
        lasted = time.monotonic() - began
        wait_until(lambda: time.monotonic() >= due, kMinute_s, "the end of the minute")
        stand.rests()
        self._watch.rest()
        print(f"{minute:>5}  {name:<28}{lasted:>7.1f} s, longest recovery {stand.recovery.longest_s:.1f} s", flush=True)

    def _verdict(self, minute):
        begin = time.monotonic()
        stand = self._stand
        self.records += stand.load.acknowledged
        stand.deployment.wait_sealed(self.records)
        stand.deployment.check()
        stand.deployment.sealstream("verify", "--read-models")
        print(f"{minute:>5}  {self.records} records: every invariant holds, judged in {time.monotonic() - begin:.0f} s",
              flush=True)

    def summary(self):
        longest_s = max(recovery.longest_s or 0 for recovery in self.recoveries.values())
        peak = reduce(lambda one, other: one.combined(max, other), (ward.peak for ward in self._watch.wards.values()))
        return f"every invariant held, longest recovery {longest_s:.1f} s, no instance took more than {in_words(peak)}"

    def print_tables(self):
        print(f"\n{'fault':<28}{'times':>6}{'longest recovery':>20}{'bound':>9}")
        for name, recovery in self.recoveries.items():
            if recovery.longest_s is not None:
                print(f"{name:<28}{self.faults[name]:>6}{recovery.longest_s:>18.1f} s{recovery.bound_s:>7} s")
        print(f"\n{'instance':<28}{'at most':>42}{'at rest, first':>42}{'and last':>42}")
        for name, ward in sorted(self._watch.wards.items()):
            rests = [ward.rests[0], ward.rests[-1]] if ward.rests else []
            print(f"{name:<28}{in_words(ward.peak):>42}" + "".join(f"{in_words(rest):>42}" for rest in rests))


def in_words(vitals):
    return f"{vitals.memory_mib} MiB, {vitals.threads} threads, {vitals.descriptors} descriptors"


def verdicts(minutes):
    """The minutes at which all there is is judged: so rarely that judging takes a share of the run that does not grow."""
    minute = kFirstVerdict
    while minute < minutes:
        yield minute
        minute = minute * 2 if minute > kFirstVerdict else minute + kFirstVerdict
    yield minutes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--rate", type=int, default=300, help="records a second, on average")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"{options.minutes} minutes of {options.rate} records a second from seed {options.seed}, {kBinary}", flush=True)
    with own_servers("soak", FillableCluster) as servers, Proxy(servers[0].host, servers[0].port) as proxy:
        stand = Stand(servers, proxy)
        with Watch(stand.deployment.ingesters) as watch:
            soak = Soak(stand, watch, random.Random(options.seed), (options.rate - kSteady_per_s) * kMinute_s)
            violation = None
            try:
                soak.run(options.minutes)
            except (AssertionError, TimeoutError) as found:
                violation = found
        stand.deployment.close()
    soak.print_tables()
    if violation:
        print(f"\n{violation}")
    print(f"{soak.faults.total()} faults in {options.minutes} min, {soak.records} records from seed {options.seed}: "
          + (f"violated: {str(violation).splitlines()[0]}" if violation else soak.summary()))
    return 1 if violation else 0


if __name__ == "__main__":
    sys.exit(main())
