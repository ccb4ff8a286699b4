"""One ingester, and the ways in which it dies. src/ingest/sabotage.h says how a point in the code is ordered."""

import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import confluent_kafka
from deployment import Deployment, Ingester, kRoot, wait_until
from local.process import log_tail
from server_points import ServerPoints, kServerPoints
from traffic import Recovery

kDeadline_s = 60

# What the code passes once a record, once a batch, or once a partition: the most passages that are drawn.
kPassages = {"after_poll": 200, "mid_decode": 200,
             "after_begin": 20, "mid_copy": 20, "after_copy": 20, "pipeline_sent": 40, "commit_answered": 20,
             "before_mirror": 20, "after_mirror": 20,
             "before_claim": 12, "after_claim": 12}
kAtClose = ("before_last_flush", "after_last_flush")
kMigrations = len(list((kRoot / "migrations").glob("*.up.sql")))
kAnyMoment = "any moment"


class Crashes:
    """points: what can happen to the ingester, by name. kills and longest_s: how often it did, and the longest recovery."""

    def __init__(self, deployment, session, dice):
        """session: a superuser's, in autocommit."""
        self._deployment = deployment
        self._session = session
        self._dice = dice
        self._schema = schema_of(deployment)
        self._server = ServerPoints(session)
        # Static membership: whoever comes back is given its partitions at once, not after the session timeout.
        self._ingester = Ingester(deployment, "one", kafka={"group_instance_id": "one"}, ingest={"lanes": 2, "linger_ms": 50})
        deployment.ingesters.append(self._ingester)
        self._other_member = None
        self._recovery = None
        self.ends = {}  # of what Kafka acknowledged, by partition
        self.kills = defaultdict(int)
        self.longest_s = defaultdict(float)
        self.points = {
            **{point: partial(self._in_the_code, passages) for point, passages in kPassages.items()},
            **{f"{place}, revoked": partial(self._revoked, place) for place in kAtClose},
            **{f"{place}, shutdown": partial(self._shut_down, place) for place in kAtClose},
            **{f"{place}, killed": partial(self._in_the_server, place) for place in kServerPoints},
            **{f"{place}, backend ended": partial(self._backend_ended, place) for place in kServerPoints},
            "mid_migration": self._in_a_migration,
            kAnyMoment: self._at_any_moment,
        }

    def happens(self, point):
        self.points[point](point)

    def catch_up(self, records):
        self._let_run()
        self._watch(lambda: self._sealed() >= records, f"{records} records sealed")
        self._recovery = None

    # --- ways to die -------------------------------------------------------------------------------------------------

    def _in_the_code(self, passages, point):
        self._start_to_die(point, self._dice.randint(1, passages))
        self._watch_it_die(point)

    def _revoked(self, place, point):
        """By somebody who joins the group, as often as it takes to find a lane with a batch in hand."""
        self._start_to_die(place)
        while self._ingester.running():
            self._dismiss_the_other_member()
            self._watch_recovery()
            self._other_member = other = confluent_kafka.Consumer({
                "bootstrap.servers": self._deployment.kafka.address, "group.id": f"group-{self._deployment.topic}",
                "heartbeat.interval.ms": 200, "enable.auto.commit": False})
            other.subscribe([self._deployment.topic])
            self._watch(lambda: other.poll(0) or other.assignment() or not self._ingester.running(), "a rebalance")
        self._died(point)

    def _shut_down(self, place, point):
        """By SIGTERM, as often as it takes."""
        code = 0
        while code == 0:
            self._start_to_die(place)
            self._watch_recovery()
            self._ingester.signal(signal.SIGTERM)
            self._watch(lambda: not self._ingester.running(), "the end")
            code = self._ingester.wait_end()
        self._died(point)

    def _in_the_server(self, place, point):
        """Killed while its transaction sleeps: shorter than a claim waits for a lock, or so long that the claim must end it."""
        self._let_run()
        self._server.arm(place, self._dice.randint(1, 20), self._dice.choice([0.5, 600]))
        self._watch(lambda: self._server.reached(place) and self._server.asleep(), f"a backend asleep {point}")
        self._kill(point)

    def _backend_ended(self, place, point):
        self._let_run()
        self._watch_recovery()
        self._server.arm(place, self._dice.randint(1, 20), 0)
        self._watch(lambda: self._server.reached(place), f"a backend ended {point}")
        self._begin_recovery(point)

    def _at_any_moment(self, point):
        self._let_run()
        goal = self._sealed() + self._dice.randint(1, 400)
        self._watch(lambda: self._sealed() >= goal, f"{goal} records sealed")
        self._kill(point)

    def _in_a_migration(self, point):
        """Of a database of its own: migrating again must give what one that was not killed gives."""
        directory = Path(tempfile.mkdtemp(dir=self._deployment.directory))
        other = Deployment(self._deployment.postgres, self._deployment.kafka, directory, log_of=self._deployment)
        other.binary = self._deployment.binary
        try:
            killed = other.run("migrate", "up", SEALSTREAM_CRASH_AT=f"{point}:{self._dice.randint(1, kMigrations)}")
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            self.kills[point] += 1
            begin = time.monotonic()
            other.migrate()
            self._recovered(point, time.monotonic() - begin)
            assert schema_of(other) == self._schema, "a migration that was killed left something behind"
        finally:
            other.close()

    # --- the one ingester --------------------------------------------------------------------------------------------

    def _start(self, **environment):
        self._ingester.start(**environment)
        self._recovery = self._recovery or Recovery("start", self.ends, self._positions())
        self._recovery.begin()
        self._dismiss_the_other_member()

    def _start_to_die(self, place, passage=1):
        if self._ingester.running():
            self._kill(kAnyMoment)
        self._start(SEALSTREAM_CRASH_AT=f"{place}:{passage}")

    def _let_run(self):
        if not self._ingester.running():
            self._start()

    def _kill(self, point):
        self._ingester.signal(signal.SIGKILL)
        self._watch_it_die(point)

    def _dismiss_the_other_member(self):
        """It cannot leave before a rebalance under way has ended, which waits for the ingester."""
        if self._other_member:
            self._other_member.close()
            self._other_member = None

    def _watch_it_die(self, point):
        self._watch(lambda: not self._ingester.running(), f"the end at {point}")
        self._died(point)

    def _died(self, point):
        code = self._ingester.wait_end()
        assert code == -signal.SIGKILL, f"ended with {code} at {point}\n{log_tail(self._ingester.log)}"
        self._begin_recovery(point)

    def _begin_recovery(self, point):
        self.kills[point] += 1
        self._recovery = Recovery(point, self.ends, self._positions())

    def _watch_recovery(self):
        """Until it has recovered and is ready, or died once more."""
        self._watch(lambda: self._recovery is None and self._ingester.ready() or not self._ingester.running(), "a recovery")

    def _watch(self, condition, what):
        """Until the condition holds; notes meanwhile when the recovery is over."""
        def reached():
            if self._recovery and self._recovery.over(self._positions()):
                self._recovered(self._recovery.point, self._recovery.seconds())
                self._recovery = None
            return condition()

        try:
            wait_until(reached, kDeadline_s, what)
        except TimeoutError as late:
            raise AssertionError(f"{late}\n{log_tail(self._ingester.log)}") from late

    def _recovered(self, point, seconds):
        self.longest_s[point] = max(self.longest_s[point], seconds)

    def _positions(self):
        return dict(self._session.execute("SELECT partition, next_offset FROM audit.partitions").fetchall())

    def _sealed(self):
        return sum(self._positions().values())


def schema_of(deployment):
    dump = subprocess.run(["pg_dump", "--schema-only", "--schema=audit", deployment.uri_for_checker()], capture_output=True,
                          text=True, check=True).stdout
    return [line for line in dump.splitlines() if "restrict" not in line]  # each dump has a word of its own there
