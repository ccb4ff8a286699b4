"""A peer: Kafka to PostgreSQL as one writes it in Python, with orjson and psycopg's COPY.

    copy_sink.py SETTINGS.json      {"brokers", "topic", "group", "uri", "table", "session_ms"}

Batches of 5,000; the offsets are committed to Kafka after each COPY: at least once.
"""

import json
import sys
from pathlib import Path

import orjson
import psycopg
from confluent_kafka import Consumer
from rows import kColumns, kJson, row

kBatch = 5_000
kJsonPositions = [position for position, column in enumerate(kColumns) if column in kJson]


def encoded(value):
    """A record's row as COPY takes it."""
    values = list(row(orjson.loads(value)))
    for position in kJsonPositions:
        if values[position] is not None:
            values[position] = orjson.dumps(values[position]).decode()
    return values


def drain(settings, consumer):
    statement = f"COPY {settings['table']} ({', '.join(kColumns)}) FROM STDIN"
    with psycopg.connect(settings["uri"], autocommit=True) as connection:
        while True:
            records = consumer.consume(kBatch, timeout=0.5)
            if not records:
                continue
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                for record in records:
                    copy.write_row(encoded(record.value()))
            consumer.commit(asynchronous=False)


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    consumer = Consumer({"bootstrap.servers": settings["brokers"], "group.id": settings["group"],
                         "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "session.timeout.ms": settings["session_ms"]})
    consumer.subscribe([settings["topic"]])
    try:
        drain(settings, consumer)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
