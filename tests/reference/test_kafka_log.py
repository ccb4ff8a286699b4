"""Goal: the checker sees a log as a read_committed consumer does, byte for byte, and knows where it ends.

Method: a real broker; plain records, a committed and an aborted transaction.
"""

import os
import tempfile
from pathlib import Path

import confluent_kafka as kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_log import read_log

TOPIC = "audit.events.v1"


@pytest.fixture(scope="module")
def brokers():
    given = os.environ.get("SEALSTREAM_TEST_KAFKA")
    if given:
        yield given
        return
    from servers import KafkaBroker

    with tempfile.TemporaryDirectory(prefix="sealstream-reference-") as scratch, KafkaBroker(Path(scratch)) as broker:
        yield broker.address


def make_topic(brokers, name, partitions):
    admin = AdminClient({"bootstrap.servers": brokers})
    (made,) = admin.create_topics([NewTopic(name, partitions, 1)]).values()
    made.result(30)


@pytest.mark.servers
def test_records_come_as_they_are_and_control_and_aborted_records_do_not(brokers):
    topic = f"{TOPIC}.{os.getpid()}"
    make_topic(brokers, topic, 2)
    plain = kafka.Producer({"bootstrap.servers": brokers})
    plain.produce(topic, partition=0, key=b"\xff", value=b"\x00v", headers=[("ce_id", b"1"), ("ce_id", None), ("x", b"")])
    plain.produce(topic, partition=0, key=None, value=None)
    assert plain.flush(30) == 0
    transactional = kafka.Producer({"bootstrap.servers": brokers, "transactional.id": topic})
    transactional.init_transactions(30)
    for commit in (True, False):
        transactional.begin_transaction()
        transactional.produce(topic, partition=0, key=b"k", value=b"committed" if commit else b"aborted")
        assert transactional.flush(30) == 0
        transactional.commit_transaction(30) if commit else transactional.abort_transaction(30)
    logs = read_log(brokers, [topic])
    assert sorted(logs) == [(topic, 0), (topic, 1)]
    log = logs[topic, 0]
    assert (log.start, log.end, sorted(log.records)) == (0, 6, [0, 1, 2]), "offsets 3 and 5 are control, 4 is aborted"
    first, second, third = (log.records[offset] for offset in range(3))
    assert (first.key, first.value) == (b"\xff", b"\x00v")
    assert first.headers == ((b"ce_id", b"1"), (b"ce_id", None), (b"x", b""))
    assert (second.key, second.value, third.value) == (None, None, b"committed")
    assert first.position == (topic, 0, 0, 0) and first.timestamp_ms > 1_600_000_000_000
    assert (logs[topic, 1].start, logs[topic, 1].end, logs[topic, 1].records) == (0, 0, {})
