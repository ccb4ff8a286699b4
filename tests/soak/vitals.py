"""What a process takes of its machine, seen from outside, and what it may take."""

import os
import re
import threading
from collections import defaultdict, deque
from dataclasses import astuple, dataclass
from pathlib import Path

kLook_s = 1
kRestLooks = 5  # what a process needs at rest is the least of so many looks: connections come and go
kSettled = 3  # times at rest, after which nothing may grow any more


@dataclass(frozen=True)
class Vitals:
    memory_mib: int  # resident; of a peak the kernel's own, which misses nothing between two looks
    threads: int
    descriptors: int

    def combined(self, choose, other):
        return Vitals(*map(choose, astuple(self), astuple(other)))

    def beyond(self, limit):
        """What of it is more than the limit, as words."""
        return [f"{name}: {mine}, at most {most}" for name, mine, most
                in zip(self.__dataclass_fields__, astuple(self), astuple(limit)) if mine > most]


kMost = Vitals(memory_mib=256, threads=32, descriptors=128)  # at any moment
kMore = Vitals(memory_mib=kMost.memory_mib, threads=1, descriptors=4)  # at rest than when it had settled; memory has one limit


def vitals(pid, memory="VmRSS"):
    """None: there is no such process any more. memory: a line of its /proc/PID/status."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(rf"^{memory}:\s+(\d+).*^Threads:\s+(\d+)", status, re.MULTILINE | re.DOTALL)
    return found and Vitals(int(found[1]) // 1024, int(found[2]), descriptors)


class Ward:
    """The processes of one name, one after another: their peak, and what they need at rest."""

    def __init__(self):
        self.peak = Vitals(0, 0, 0)
        self.rests = []
        self._looks = deque(maxlen=kRestLooks)  # of the same process

    def see(self, pid, now, peak):
        """What is beyond the limits."""
        if self._looks and self._looks[-1][0] != pid:
            self._looks.clear()
        self._looks.append((pid, now))
        self.peak = self.peak.combined(max, peak)
        return peak.beyond(kMost)

    def rest(self):
        """Says that it has been at rest for the last looks; what is beyond the limits."""
        least = self._looks[0][1]
        for _, now in self._looks:
            least = least.combined(min, now)
        self.rests.append(least)
        settled = Vitals(0, 0, 0)
        for rest in self.rests[:kSettled]:
            settled = settled.combined(max, rest)
        return least.beyond(settled.combined(int.__add__, kMore))


class Watch:
    """Looks at the ingesters from a thread of its own, from `with` to its end."""

    def __init__(self, ingesters):
        self.wards = defaultdict(Ward)
        self._ingesters = ingesters
        self._lock = threading.Lock()
        self._wrong = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def rest(self):
        """Called when every ingester has been at rest for some seconds: nothing was ever beyond the limits."""
        with self._lock:
            for ingester in self._ingesters:
                if ingester.running():
                    self._note(ingester, self.wards[ingester.name].rest())
            assert not self._wrong, "I9: " + "; ".join(self._wrong[:5])

    def _run(self):
        while not self._stop.wait(kLook_s):
            for ingester in self._ingesters:
                self._look(ingester)

    def _look(self, ingester):
        if not ingester.running():
            return
        pid = ingester.pid
        now, peak = vitals(pid), vitals(pid, "VmHWM")
        if now and peak:
            with self._lock:
                self._note(ingester, self.wards[ingester.name].see(pid, now, peak))

    def _note(self, ingester, beyond):
        self._wrong += [f"{ingester.name}, {words}" for words in beyond]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
