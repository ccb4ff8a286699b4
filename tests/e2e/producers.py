"""Producers that keep a history of what Kafka acknowledged, on clients that nobody here wrote."""

import itertools
import json
import subprocess
import threading
import uuid
from datetime import datetime, timezone

import confluent_kafka
from history import HistoryWriter


def now():
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def event(tenant, number=0, family="auth", action="login", **changes):
    """A structured CloudEvent; `changes` override attributes, None removes one."""
    data = {"actor": {"type": "user", "id": f"u-{number}"}, "status": "success", "method": "sso"}
    envelope = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "e2e", "type": f"audit.{family}.{action}.v1",
                "time": now(), "tenantid": tenant, "data": data} | changes
    return {name: value for name, value in envelope.items() if value is not None}


def llm_call(tenant, **members):
    """A structured CloudEvent of a completed call whose data has these members too."""
    data = {"actor": {"type": "user", "id": "u-1"}, "status": "success", "operation": "chat", "provider": "openai",
            "model": "gpt-4o", "latency_ms": 10, "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}
    return event(tenant, family="llm_call", action="completed", data=data | members)


def binary(structured, content_type="application/json"):
    """(value, headers) of the same event in binary mode."""
    headers = [(f"ce_{name}", str(value).encode()) for name, value in structured.items() if name != "data"]
    if content_type is not None:
        headers.append(("content-type", content_type.encode()))
    return json.dumps(structured["data"]), headers


def publish_lines(kafka, topic, lines):
    """By kcat, which is much faster than Python's clients. A line: the key, a tab, the value, a newline."""
    kcat = subprocess.Popen(["kcat", "-P", "-b", kafka.address, "-t", topic, "-K", "\t", "-X", "topic.partitioner=murmur2_random",
                             "-X", "enable.idempotence=true", "-X", "acks=all", "-X", "compression.codec=lz4",
                             "-X", "log_level=3"], stdin=subprocess.PIPE, text=True)
    kcat.stdin.writelines(lines)
    kcat.stdin.close()
    assert kcat.wait() == 0


class Producer:
    """An idempotent librdkafka producer. Every delivery report goes into the deployment's history. ends: the end of what each
    partition has acknowledged."""

    def __init__(self, deployment, **settings):
        self.topic = deployment.topic
        self.sent = self.acknowledged = 0
        self.ends = {}
        self._history = HistoryWriter(deployment.history)
        self._producer = confluent_kafka.Producer({
            "bootstrap.servers": deployment.kafka.address, "partitioner": "murmur2_random", "enable.idempotence": True,
            "acks": "all", "linger.ms": 5, "compression.type": "lz4", "reconnect.backoff.max.ms": 1_000,
            "topic.metadata.refresh.interval.ms": 5_000, **settings})

    def send(self, key, value, headers=(), partition=-1, note=None, timestamp=None):
        """key, value: bytes, text, or None; value may be an event to be written as JSON. note is called with the
        record's (partition, offset) once it is acknowledged. timestamp: for topics that keep the producer's."""
        key = key.encode() if isinstance(key, str) else key
        value = json.dumps(value) if isinstance(value, dict) else value
        value = value.encode() if isinstance(value, str) else value

        def delivered(error, message):
            partition, offset = message.partition(), message.offset()
            if error is None:
                self.acknowledged += 1
            if error is None and offset is None:  # the broker had it from an earlier try, whose answer was lost
                named = json.loads(value)
                self._history.record(True, tenant=named["tenantid"], event_id=named["id"])
                return
            if error is None:
                self.ends[partition] = max(self.ends.get(partition, 0), offset + 1)
                if note is not None:
                    note((partition, offset))
            self._history.record(error is None, self.topic, partition, offset, key, value, headers)

        while True:
            try:
                self._producer.produce(self.topic, value=value, key=key, headers=list(headers), partition=partition,
                                       timestamp=round(timestamp.timestamp() * 1000) if timestamp else 0,
                                       on_delivery=delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        self.sent += 1
        self._producer.poll(0)

    def send_events(self, count, tenants):
        for number, tenant in zip(range(count), itertools.cycle(tenants)):
            self.send(tenant, event(tenant, number))
        return self

    def flush(self):
        assert self._producer.flush(60) == 0, "Kafka did not acknowledge everything within a minute"
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._producer.flush(60)
        self._history.close()


class Transactions:
    """A transactional producer whose history holds what was committed."""

    def __init__(self, deployment):
        self._deployment = deployment
        self._producer = confluent_kafka.Producer({
            "bootstrap.servers": deployment.kafka.address, "transactional.id": deployment.topic,
            "partitioner": "murmur2_random"})
        self._producer.init_transactions(60)
        self._delivered = []

    def run(self, tenants, commit, partition=-1):
        """One event of each tenant, then all of them committed or aborted."""
        self._delivered.clear()
        self._producer.begin_transaction()
        for number, tenant in enumerate(tenants):
            self._producer.produce(self._deployment.topic, key=tenant, value=json.dumps(event(tenant, number)),
                                   partition=partition, on_delivery=lambda error, message: self._delivered.append(message))
        assert self._producer.flush(60) == 0
        if not commit:
            self._producer.abort_transaction(60)
            return
        self._producer.commit_transaction(60)
        with HistoryWriter(self._deployment.history) as history:
            for message in self._delivered:
                history.record(True, message.topic(), message.partition(), message.offset(), message.key(), message.value())


class ContinuousProducer(Producer):
    """Sends events on a thread of its own from `with` to its end; then everything is acknowledged."""

    def __init__(self, deployment, tenants, rate_per_s=2_000):
        super().__init__(deployment)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(tenants, rate_per_s))

    def _run(self, tenants, rate_per_s):
        burst = rate_per_s // 50
        while not self._stop.wait(1 / 50):
            self.send_events(burst, tenants)

    def __enter__(self):
        self._thread.start()
        return self

    def end(self):
        """Sends no more; returns when everything is acknowledged."""
        self._stop.set()
        self._thread.join()
        self.flush()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        super().__exit__()
