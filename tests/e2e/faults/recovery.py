"""How long a deployment takes to go on by itself once a fault has ended, and how long it stood still meanwhile."""

import threading
import time

from deployment import reached, wait_until

kGiveUp_s = 120
kLook_s = 0.1


class Recovery:
    """What a fault's test measures: the longest recovery of all that it caused, held to the bound of its matrix row."""

    def __init__(self, bound_s):
        self.bound_s = bound_s
        self.longest_s = None

    def measure(self, deployment, producer):
        """Called when the fault has just ended, of a producer that goes on: waits until what it had sent by now is sealed, in every
        partition, and one record more."""
        begin, sent = time.monotonic(), producer.sent
        deployment.wait(lambda: producer.acknowledged >= sent, kGiveUp_s, f"{sent} records to be acknowledged")
        ends = dict(producer.ends)
        deployment.wait(lambda: reached(deployment.positions(), ends), kGiveUp_s,
                        f"the partitions to be sealed up to {ends}, and one record more")
        self.note(time.monotonic() - begin)

    def measure_all(self, deployment, records):
        """The same, where no more come than these."""
        begin = time.monotonic()
        deployment.wait_sealed(records, kGiveUp_s)
        self.note(time.monotonic() - begin)

    def note(self, seconds):
        """One recovery, or a pause, that was measured otherwise."""
        self.longest_s = max(seconds, self.longest_s or 0)
        assert seconds <= self.bound_s, f"recovery took {seconds:.1f} s, and may take {self.bound_s} s"


class Progress:
    """Watches from a thread of its own, from `with` to its end, how long nothing was sealed at a time."""

    def __init__(self, deployment):
        self.longest_pause_s = 0.0
        self._deployment = deployment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        sealed, since = self._deployment.sealed(), time.monotonic()
        while not self._stop.wait(kLook_s):
            now_sealed, now = self._deployment.sealed(), time.monotonic()
            self.longest_pause_s = max(self.longest_pause_s, now - since)
            if now_sealed > sealed:
                sealed, since = now_sealed, now

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def wait_for_more(deployment, records, what):
    goal = deployment.sealed() + records
    wait_until(lambda: deployment.sealed() >= goal, kGiveUp_s, f"{records} more records sealed {what}")


def judge(deployment, producer):
    """Everything acknowledged is sealed, and nobody finds anything wrong: neither the checker nor `sealstream verify`."""
    deployment.wait_sealed(producer.acknowledged, kGiveUp_s)
    deployment.check()
    deployment.sealstream("verify")
