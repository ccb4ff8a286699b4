"""A peer: the expert's trick. No record is parsed here: 2,700 of them are glued into one JSON array, and PostgreSQL takes it apart.

    array_sink.py SETTINGS.json     {"brokers", "topic", "group", "uri", "table", "skip_known", "session_ms"}

Four threads, each with a consumer and a connection; the offsets are committed to Kafka after each statement: at least once.
skip_known: with ON CONFLICT DO NOTHING.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from threading import Thread

import psycopg
from confluent_kafka import Consumer
from rows import kColumns

kConnections = 4
kBatch = 2_700


def drain(settings):
    columns = ", ".join(kColumns)
    statement = (f"INSERT INTO {settings['table']} ({columns}) SELECT {columns}"
                 f" FROM jsonb_populate_recordset(NULL::{settings['table']}, %s::jsonb)"
                 + (" ON CONFLICT DO NOTHING" if settings["skip_known"] else ""))
    consumer = Consumer({"bootstrap.servers": settings["brokers"], "group.id": settings["group"],
                         "auto.offset.reset": "earliest", "enable.auto.commit": False,
                         "session.timeout.ms": settings["session_ms"]})
    consumer.subscribe([settings["topic"]])
    try:
        with psycopg.connect(settings["uri"], autocommit=True) as connection:
            while True:
                records = consumer.consume(kBatch, timeout=0.5)
                if records:
                    array = b"[" + b",".join([record.value() for record in records]) + b"]"
                    connection.execute(statement, [array.decode()], prepare=True)
                    consumer.commit(asynchronous=False)
    finally:
        consumer.close()


def drain_or_end(settings):
    """One thread's failure ends the program."""
    try:
        drain(settings)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main():
    settings = json.loads(Path(sys.argv[1]).read_text())
    for _ in range(kConnections):
        Thread(target=drain_or_end, args=[settings]).start()


if __name__ == "__main__":
    main()
