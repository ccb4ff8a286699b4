"""The three processes of the quickstart, and what lies between them: roles, passwords, keyring, topic, configuration."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import urllib.request
from datetime import date, datetime, timezone
from pathlib import Path

from sample_events import Samples, line, yesterday

from .kafka_broker import KafkaBroker
from .postgres_cluster import PostgresCluster, psql
from .process import Process, free_port, log_tail, port_is_free, wait_until

kTopic = "audit.events.v1"
kPartitions = 12
kDatabase = "sealstream"
kRoles = ("writer", "auditor", "operator", "eraser", "rebuilder", "migrator")
kSeed = 1
kReadyDeadlineSeconds = 60
kSealedDeadlineSeconds = 120
kDrainDeadlineSeconds = 40
kProducer = ["-X", "topic.partitioner=murmur2_random", "-X", "enable.idempotence=true", "-X", "acks=all"]


class StepFailed(Exception):
    """A step that did not work: one sentence, and the end of the log that tells more."""

    def __init__(self, sentence: str, log: Path | None = None):
        super().__init__(sentence if log is None else f"{sentence}\n{log_tail(log)}\n(log: {log})")


class SealedStack:
    """PostgreSQL, Kafka and sealstream, kept in `state`; each step does only what is not done yet."""

    sample_count = len(Samples(kSeed, yesterday()).events())

    def __init__(self, root: Path, state: Path):
        self._root = root
        self._directory = state
        self._binary = root / "build" / "release" / "src" / "app" / "sealstream"
        self._state_file = state / "state.json"
        self._state = json.loads(self._state_file.read_text()) if self._state_file.exists() else {}
        self._process = Process.from_state(self._state.get("process"))
        self.config = state / "sealstream.yaml"
        self.log = state / "sealstream.log"
        self._postgres = PostgresCluster(state / "postgres", die_with_owner=False)
        self._kafka = KafkaBroker(state / "kafka", die_with_owner=False)

    def exists(self) -> bool:
        return self.config.exists()

    def start_postgres(self) -> None:
        self._postgres.start()
        exists = self._postgres.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{kDatabase}'") == "1"
        if not exists:
            self._postgres.psql(f"CREATE DATABASE {kDatabase}")
        self._postgres.psql((self._root / "deploy" / "roles.sql").read_text(), kDatabase, one_transaction=True)
        self._postgres.psql("SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pgcrypto",
                            kDatabase)  # for schemas/queries/verify_chain.sql
        passwords = {role: self._password(role) for role in kRoles}
        statements = "".join(f"ALTER ROLE audit_{role} PASSWORD :'{role}';\n" for role in kRoles)
        self._postgres.psql(statements, variables=passwords)

    def start_kafka(self) -> None:
        self._kafka.start()
        self._kafka.create_topic(kTopic, kPartitions)

    def migrate(self) -> None:
        self._write_keyring()
        self._write_config()
        self._sealstream("migrate", "up")

    def start_sealstream(self) -> None:
        """Starts it, or starts it again where the program or its configuration changed."""
        fingerprint = [self._binary.stat().st_mtime_ns, self.config.read_text()]
        if self._running() and self._state.get("fingerprint") != fingerprint:
            self._stop_sealstream()
        if not self._running():
            command = [str(self._binary), "run", "--config", str(self.config)]
            self._process = Process.start(command, self.log)
            self._remember(process=self._process.state(), fingerprint=fingerprint)
        self._wait("sealstream to be ready", self._ready, kReadyDeadlineSeconds)

    def publish_samples(self) -> None:
        """Once: the first six events in binary mode, the rest structured. Ids depend only on the recorded day, so a run
        that died in between publishes the same events again, and they count as duplicates."""
        if self._state.get("samples_published"):
            return
        if "samples_day" not in self._state:
            self._remember(samples_day=yesterday().isoformat())
        events = Samples(kSeed, date.fromisoformat(self._state["samples_day"])).events()
        for event in events[:6]:
            self._publish_binary(event)
        self._kcat(["-P", "-t", kTopic, "-K", "\t", *kProducer], "".join(line(event) for event in events[6:]))
        self._remember(samples_published=True)

    def wait_until_sealed(self) -> None:
        """Until PostgreSQL's positions are at the ends that the broker reports."""
        partitions = [word for number in range(kPartitions) for word in ("-t", f"{kTopic}:{number}:-1")]
        answer = self._kcat(["-Q", *partitions])
        end = sum(int(row.rpartition(" ")[2]) for row in answer.splitlines())
        sql = f"SELECT coalesce(sum(next_offset), 0) FROM audit.partitions WHERE topic = '{kTopic}'"
        self._wait("every record to be sealed", lambda: int(psql(self._database(), sql)) >= end, kSealedDeadlineSeconds)

    def verify(self) -> None:
        done = subprocess.run([str(self._binary), "verify", "--read-models", "--config", str(self.config)])
        if done.returncode != 0:
            raise StepFailed(f"sealstream verify ended with exit code {done.returncode}")

    def status(self) -> dict:
        return {"brokers": self._kafka.address, "topic": kTopic, "database": self._database(),
                "metrics_url": f"http://127.0.0.1:{self._state['http_port']}/metrics", "config": str(self.config),
                "pid": self._process.pid if self._running() else None}

    def stopped(self) -> list[str]:
        running = {"PostgreSQL": self._postgres.running(), "Kafka": self._kafka.running(), "sealstream": self._running()}
        return [name for name, runs in running.items() if not runs]

    def stop(self) -> None:
        self._stop_sealstream()
        self._kafka.stop()
        self._postgres.stop()

    def remove(self) -> None:
        """Every file that was made here; a stopped stack only."""
        self._postgres.remove()
        self._kafka.remove()
        shutil.rmtree(self._directory / "passwords", ignore_errors=True)
        for file in (self.config, self.log, self._state_file, self._directory / "keyring.yaml"):
            file.unlink(missing_ok=True)

    def publish_line(self) -> str:
        """A shell line that publishes one event of the tenant acme; a new one each time it is run."""
        before = '{"specversion":"1.0","id":"'
        between = '","source":"readme","type":"audit.auth.login.v1","tenantid":"acme","time":"'
        after = '","data":{"actor":{"type":"user","id":"amara.okafor"},"status":"success","method":"sso"}}'
        event = (f"'{before}'$(cat /proc/sys/kernel/random/uuid)'{between}'"
                 f"$(date -u +%Y-%m-%dT%H:%M:%SZ)'{after}'")
        return (f"echo {event} | kcat -P -b {self._kafka.address} -t {kTopic} -k acme "
                "-X topic.partitioner=murmur2_random")

    def query_line(self) -> str:
        sql = ("SELECT seq, event_id, family, action, event_time, encode(checksum, 'hex') AS checksum "
               "FROM audit.ledger WHERE tenant_id = 'acme' ORDER BY seq DESC LIMIT 1")
        return f'psql {self._database()} -x -c "{sql}"'

    def _publish_binary(self, event: dict) -> None:
        attributes = {name: value for name, value in event.items() if name not in ("data", "datacontenttype")}
        headers = [f"ce_{name}={value}" for name, value in attributes.items()]
        words = [word for header in [*headers, "content-type=application/json"] for word in ("-H", header)]
        self._kcat(["-P", "-t", kTopic, "-k", event["tenantid"], *words, *kProducer], json.dumps(event["data"]))

    def _kcat(self, arguments: list[str], text: str = "") -> str:
        command = ["kcat", "-b", self._kafka.address, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise StepFailed(f"kcat failed: {done.stderr}")
        return done.stdout

    def _sealstream(self, *arguments: str) -> None:
        done = subprocess.run([str(self._binary), *arguments, "--config", str(self.config)], capture_output=True, text=True)
        if done.returncode != 0:
            raise StepFailed(f"sealstream {' '.join(arguments)} failed: {done.stderr or done.stdout}")

    def _wait(self, what: str, condition, deadline_s: float) -> None:
        def reached() -> bool:
            if not self._running():
                raise StepFailed("sealstream ended", self.log)
            return condition()

        try:
            wait_until(reached, deadline_s, what)
        except TimeoutError as late:
            raise StepFailed(str(late), self.log) from late

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._state['http_port']}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:  # refused, reset, too slow, or not ready (503)
            return False

    def _running(self) -> bool:
        return self._process is not None and self._process.alive()

    def _stop_sealstream(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGTERM)
            try:
                self._process.wait_end(kDrainDeadlineSeconds)
            except TimeoutError:
                self._process.signal(signal.SIGKILL)
                self._process.wait_end(kDrainDeadlineSeconds)
        self._process = None
        if self._state:
            self._remember(process=None)

    def _database(self) -> str:
        return self._postgres.uri("audit_auditor", self._password("auditor"), kDatabase)

    def _password(self, role: str) -> str:
        file = self._password_file(role)
        if not file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            _write_secret(file, secrets.token_hex(16) + "\n")
        return file.read_text().strip()

    def _password_file(self, role: str) -> Path:
        return self._directory / "passwords" / role

    def _write_keyring(self) -> None:
        keyring = self._directory / "keyring.yaml"
        if not keyring.exists():
            begin = datetime.now(timezone.utc).strftime("%Y-%m-%dT00:00:00Z")
            _write_secret(keyring, f'keys:\n  - {{id: quickstart-1, from: "{begin}", key: "{secrets.token_hex(32)}"}}\n')

    def _write_config(self) -> None:
        if "http_port" not in self._state or not self._running() and not port_is_free(self._state["http_port"]):
            self._remember(http_port=free_port())
        roles = "".join(f"  {role}: {{user: audit_{role}, password_file: {json.dumps(str(self._password_file(role)))}}}\n"
                        for role in kRoles)
        self.config.write_text(
            "# Written by deploy/quickstart on each run; every key is explained in deploy/sealstream.example.yaml.\n"
            f"kafka:\n  brokers: {self._kafka.address}\n  topics: [{kTopic}]\n  group_id: sealstream\n"
            f"postgres:\n  host: {self._postgres.host}\n  port: {self._postgres.port}\n  database: {kDatabase}\n"
            f"  sslmode: disable\n{roles}"
            f"keyring_file: {json.dumps(str(self._directory / 'keyring.yaml'))}\n"
            f"http:\n  listen: 127.0.0.1:{self._state['http_port']}\n"
            "log:\n  level: info\n")

    def _remember(self, **values) -> None:
        self._state.update(values)
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(self._state, indent=1))
        new.replace(self._state_file)


def _write_secret(file: Path, text: str) -> None:
    """All of it or nothing, readable by its owner alone."""
    new = file.with_name(file.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        output.write(text)
    new.replace(file)
