"""The same events in the forms that the sinks read, and what a sink has written of them."""

import json
import time
from subprocess import PIPE, Popen

import psycopg
from rows import flat, strings
from stage import Deployment

from local.process import log_tail

kForms = {"event": None, "flat": flat, "strings": strings}
kDeadline_s = 200
kPoll_s = 0.1


class Log:
    """A topic for each form; databases that drain them, each with files of its own below `directory`."""

    def __init__(self, postgres, kafka, directory):
        directory.mkdir()
        self._postgres, self._kafka, self._directory = postgres, kafka, directory
        self._runs = 0
        self._first = self._deployment()
        self._first.close()
        self.topics = {form: f"{self._first.topic}.{form}" for form in kForms}
        for topic in self.topics.values():
            kafka.create_topic(topic)

    def _deployment(self, **options):
        self._runs += 1
        directory = self._directory / f"{self._runs}"
        directory.mkdir()
        return Deployment(self._postgres, self._kafka, directory, **options)

    def sink(self, kind, **options):
        """A sink of that class before an empty, migrated database; close its deployment. What was before is on disk by then."""
        deployed = self._deployment(log_of=self._first)
        deployed.topic = self.topics[kind.form]
        deployed.config = deployed.write_config("commands", 1)
        sink = kind(deployed.migrate(), **options)
        self._postgres.psql("CHECKPOINT")
        return sink

    def publish(self, counts, keyed_lines):
        """Sends the first counts[form] of those lines to the topic of each form."""
        clients = {form: Popen(["kcat", "-P", "-b", self._kafka.address, "-t", topic, "-K", "\t", "-X", "acks=all",
                                "-X", "topic.partitioner=murmur2_random", "-X", "enable.idempotence=true",
                                "-X", "compression.codec=lz4", "-X", "log_level=3"], stdin=PIPE, text=True)
                   for form, topic in self.topics.items()}
        for number, line in enumerate(keyed_lines):
            key, _, text = line.partition("\t")
            event = json.loads(text)
            for form, client in clients.items():
                if number < counts[form]:
                    client.stdin.write(f"{key}\t{json.dumps(kForms[form](event))}\n" if kForms[form] else line)
        for client in clients.values():
            client.stdin.close()
            assert client.wait() == 0


def session_of(sink):
    return psycopg.connect(sink.deployed.uri_for_checker(), autocommit=True)


def counted(session, sink):
    """(rows, distinct events)"""
    return session.execute(f"SELECT count(*), count(DISTINCT (tenant_id, event_id)) FROM {sink.table}").fetchone()


def wait(sink, reached, deadline_s=kDeadline_s):
    """Looks ten times a second, so that looking costs next to nothing; False where the sink ends or the time is over."""
    end = time.monotonic() + deadline_s
    while not reached():
        if time.monotonic() > end or not sink.running():
            return reached()
        time.sleep(kPoll_s)
    return True


def wait_progress(sink, session, rows):
    arrived = wait(sink, lambda: sink.progress(session) >= rows)
    assert arrived, f"{sink.title}: {sink.progress(session)} of {rows} rows\n{log_tail(sink.log, 40)}"
    return sink.progress(session)
