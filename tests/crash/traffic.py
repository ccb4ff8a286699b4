"""A producer that never stops, what happens meanwhile, and how long it takes until what it sent before a death is sealed."""

import itertools
import time

from deployment import reached
from full_events import full_events
from producers import ContinuousProducer

kTenants = [f"tenant-{number:02d}" for number in range(40)]


class Traffic(ContinuousProducer):
    """Events of all families, some twice, some that are none. ends: another one's, to go on with."""

    def __init__(self, deployment, dice, ends, rate_per_s=150):
        super().__init__(deployment, kTenants, rate_per_s)
        self._dice = dice
        self.ends = ends
        self._events = (event for _ in itertools.count() for event in full_events(dice.choice(kTenants)))

    def send_events(self, count, tenants):
        for event in itertools.islice(self._events, count):
            self.send(event["tenantid"], event)
            if self._dice.random() < 0.02:
                self.send(event["tenantid"], self._dice.choice([event, "no event"]))


def rounds(names, dice):
    """Everything that can happen once, in some order; then again."""
    while True:
        yield from dice.sample(names, len(names))


class Recovery:
    """From a death, or the next start of the process, until all is sealed that was acknowledged at the death, and one more."""

    def __init__(self, point, ends, positions):
        self.point = point
        # The database may be ahead of what the producer has heard of yet.
        self._goal = {partition: max(ends.get(partition, 0), positions.get(partition, 0)) for partition in ends | positions}
        self.begin()

    def begin(self):
        self._begin = time.monotonic()

    def seconds(self):
        return time.monotonic() - self._begin

    def over(self, positions):
        return reached(positions, self._goal)
