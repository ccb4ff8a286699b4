"""What drains the topic: Sealstream, and what one would take instead. Each is one process that is started, killed and asked for
its progress in the same way."""

import functools
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

from rows import connect_schema
from stage import kRoot

from local import kafka_jars
from local.process import Process, free_port

kHere = Path(__file__).resolve().parent
kConnect = "connect-4.3.0-debezium-3.6.0"
kPlugin = "debezium-connector-jdbc-3.6.0.Final-plugin.tar.gz"
kConnectOptions = ["-Xms256m", "-Xmx2g", "-server", "-XX:+UseG1GC", "-XX:-UsePerfData"]  # as connect-standalone.sh has them
kTable = "public.events"


def make_table(deployed, unique):
    """The ledger's columns, types and indexes, without partitions, triggers and chain. What only Sealstream writes stays NULL;
    seq counts in one sequence. unique: with the ledger's unique keys, else these are indexes like the others."""
    leaf = deployed.as_superuser("SELECT audit.ensure_partition(now())")
    indexes = deployed.as_superuser(
        f"SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'audit.{leaf}'::regclass").splitlines()
    statements = [f"CREATE TABLE {kTable} (LIKE audit.ledger); CREATE SEQUENCE public.events_seq"]
    only_ours = deployed.as_superuser(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'audit.ledger'::regclass AND attnotnull AND attnum > 0"
        " AND attname ~ '^(kafka_|rules_|source_digest|personal_|recorded_at|prev_|checksum)'").splitlines()
    statements += [f"ALTER TABLE {kTable} ALTER COLUMN {column} DROP NOT NULL" for column in only_ours]
    statements.append(f"ALTER TABLE {kTable} ALTER COLUMN seq SET DEFAULT nextval('public.events_seq')")
    for number, index in enumerate(indexes):
        kind, _, columns = index.partition(" INDEX ")
        method = columns.partition(" USING ")[2]
        statements.append(f"{kind if unique else 'CREATE'} INDEX events_{number} ON {kTable} USING {method}")
    deployed.as_superuser("; ".join(statements))


class Sink:
    """One process that drains its deployment's topic into its database.

    unique: see make_table(). skip_known: events that are there already are passed over, if the peer has a way to.
    session_s: session timeout of its consumers.
    """

    form = "flat"  # of the records, see rows.py; "event": as they are
    table = kTable

    def __init__(self, deployed, unique=True, skip_known=False, session_s=45):
        self.deployed, self.skip_known, self._session_ms = deployed, skip_known, session_s * 1000
        self.directory = deployed.directory / "sink"
        self.directory.mkdir()
        self._process = None
        self._prepare(unique)

    def _prepare(self, unique):
        make_table(self.deployed, unique)

    def start(self):
        self._process = Process.start(self._command(), self.log, end_with_parent="KILL")

    @property
    def log(self):
        return self.directory / "log"

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        """False too where it lives but has given up."""
        return self._process.alive()

    def kill(self):
        self._process.signal(9)
        self._process.wait_end(60)

    def progress(self, session):
        """Rows written so far, at next to no cost; those of an open transaction are among them."""
        return session.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.events_seq").fetchone()[0]

    def _settings_file(self, name, text):
        path = self.directory / name
        self.deployed.write_secret(path, text)
        return str(path)


class Sealstream(Sink):
    title = "Sealstream"
    guarantee = "exactly once: the positions are in the transaction of the rows"
    records = "CloudEvents"
    form = "event"
    table = "audit.ledger"

    def _prepare(self, unique):
        self._config = self.deployed.write_config("drain", free_port(), kafka={"group_id": self.deployed.database})

    def _command(self):
        return [str(self.deployed.binary), "run", "--config", str(self._config)]

    def progress(self, session):
        return session.execute("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions").fetchone()[0]


class PythonSink(Sink):
    program = ""

    def _command(self):
        settings = {"brokers": self.deployed.kafka.address, "topic": self.deployed.topic, "group": self.deployed.database,
                    "uri": self.deployed.uri_for_checker(), "table": kTable, "skip_known": self.skip_known,
                    "session_ms": self._session_ms}
        return [sys.executable, str(kHere / self.program), self._settings_file("settings.json", json.dumps(settings))]


class Copy(PythonSink):
    title = "Python: orjson, psycopg COPY"
    guarantee = "at least once, up to 5,000 twice: offsets after each COPY"
    records = "CloudEvents"
    form = "event"
    program = "copy_sink.py"


class Array(PythonSink):
    title = "one JSON array a statement, jsonb_populate_recordset"
    guarantee = "at least once, up to 4 times 2,700 twice: offsets after each INSERT"
    records = "flat JSON, members named as the columns"
    program = "array_sink.py"


class Debezium(Sink):
    title = "Kafka Connect, Debezium JDBC sink"
    guarantee = "at least once, up to 60 s of rows twice: offsets each minute"
    records = "flat JSON, JSON columns as strings; schema in the converter's settings"
    form = "strings"

    def running(self):
        """No task has failed, as far as Connect answers."""
        if not super().running():
            return False
        try:
            with urllib.request.urlopen(f"{self._listener}/connectors/{self.deployed.database}/status", timeout=1) as answer:
                return all(task["state"] != "FAILED" for task in json.load(answer)["tasks"])
        except OSError:
            return True  # it still starts

    def _command(self):
        jars, plugins = connect_files()
        self._listener = f"http://127.0.0.1:{free_port()}"
        worker = {"bootstrap.servers": self.deployed.kafka.address, "listeners": self._listener,
                  "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                  "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true",
                  "value.converter.schema.content": json.dumps(connect_schema(), separators=(",", ":")),
                  "offset.storage.file.filename": self.directory / "offsets", "plugin.path": plugins,
                  "plugin.discovery": "service_load",  # starts in half the time
                  "consumer.max.poll.records": 3000, "consumer.session.timeout.ms": self._session_ms}
        postgres = self.deployed.postgres
        schema, _, table = kTable.partition(".")
        connector = {"name": self.deployed.database, "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
                     "tasks.max": 2, "topics": self.deployed.topic, "batch.size": 3000,
                     "connection.url": f"jdbc:postgresql://{postgres.host}:{postgres.port}/{self.deployed.database}"
                                       f"?currentSchema={schema}&reWriteBatchedInserts=true&stringtype=unspecified",
                     "connection.username": "postgres", "connection.password": postgres.superuser_password,
                     "collection.name.format": table, "schema.evolution": "none", "insert.mode": "insert",
                     "primary.key.mode": "none"}
        if self.skip_known:
            connector |= {"insert.mode": "upsert", "primary.key.mode": "record_value", "primary.key.fields": "tenant_id,event_id"}
        files = [self._settings_file(name, "".join(f"{key}={value}\n" for key, value in settings.items()))
                 for name, settings in (("worker.properties", worker), ("connector.properties", connector))]
        logging = kRoot / "deploy" / "kafka" / "log4j2.properties"
        return ["java", *kConnectOptions, f"-Djava.io.tmpdir={self.directory}", f"-Dlog4j2.configurationFile=file:{logging}",
                "-cp", f"{jars}/*", "org.apache.kafka.connect.cli.ConnectStandalone", *files]


@functools.cache
def connect_files():
    """(folder of Connect's jars, folder of plugins); fetched once. The plugin is taken apart beside the jars, once too."""
    jars = kafka_jars.ready(kConnect, kHere)
    plugins = jars.with_name(jars.name + "-plugins")
    if not plugins.exists():
        unpacked = plugins.with_name(plugins.name + ".new")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        subprocess.run(["tar", "-xzf", str(jars / kPlugin), "-C", str(unpacked)], check=True)
        unpacked.rename(plugins)
    return jars, plugins


kPeers = (Copy, Array, Debezium)
