"""Reads whole topics from Kafka, as a read_committed consumer sees them. The only file here that needs
confluent-kafka."""

import time
from dataclasses import dataclass, field

from decode import KafkaRecord

READ_DEADLINE_S = 60  # without any progress
FETCH_S = 0.1  # consume waits this long for a full batch


@dataclass
class PartitionLog:
    """One partition: records by offset; start and end are the log's. Offsets without a record are control records,
    aborted or compacted."""

    start: int
    end: int
    records: dict = field(default_factory=dict)


def read_log(brokers, topics):
    """(topic, partition) → PartitionLog, log_epoch 0 in every record."""
    import confluent_kafka as kafka

    consumer = kafka.Consumer({"bootstrap.servers": brokers, "group.id": "sealstream-checker", "enable.auto.commit": False,
                               "isolation.level": "read_committed", "enable.partition.eof": True,
                               "auto.offset.reset": "error"})
    try:
        logs = {}
        for topic in topics:
            metadata = consumer.list_topics(topic, timeout=30).topics[topic]
            for partition in metadata.partitions:
                start, end = consumer.get_watermark_offsets(kafka.TopicPartition(topic, partition), timeout=30)
                logs[topic, partition] = PartitionLog(start, end)
        consumer.assign([kafka.TopicPartition(topic, partition, log.start) for (topic, partition), log in logs.items()])
        _read_to_the_ends(consumer, logs)
        return logs
    finally:
        consumer.close()


def _read_to_the_ends(consumer, logs):
    import confluent_kafka as kafka

    unfinished = {key for key, log in logs.items() if log.start < log.end}
    progress = time.monotonic()
    while unfinished:
        messages = consumer.consume(10_000, timeout=FETCH_S)
        if messages:
            progress = time.monotonic()
        elif time.monotonic() - progress > READ_DEADLINE_S:
            raise TimeoutError(f"Kafka delivered nothing for {READ_DEADLINE_S} s; still to read: {sorted(unfinished)}")
        for message in messages:
            key = (message.topic(), message.partition())
            if message.error() is None:
                logs[key].records[message.offset()] = _record(message)
            elif message.error().code() == kafka.KafkaError._PARTITION_EOF:
                logs[key].end = message.offset()
                unfinished.discard(key)
            else:
                raise kafka.KafkaException(message.error())


def _record(message):
    headers = tuple((name.encode("utf-8", "surrogateescape"), value) for name, value in message.headers() or ())
    return KafkaRecord(message.topic(), 0, message.partition(), message.offset(), message.timestamp()[1], message.key(),
                       message.value(), headers)
