"""An Apache Kafka broker: one KRaft node, broker and controller in one process, straight from its jars."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from . import kafka_jars
from .kafka_admin import KafkaAdmin
from .process import StartFailed, log_tail
from .server import Server

# The first compiler only: a start takes 2.7 s of CPU time in place of 4.6, and 300,000 records a third less.
kJavaOptions = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
kLogging = Path(__file__).resolve().parent.parent / "kafka" / "log4j2.properties"
kDay_ms = 24 * 60 * 60 * 1000


class KafkaBroker(Server):
    """One broker in `directory`; `address` is what clients call bootstrap servers. settings: lines for server.properties."""

    name = "Kafka"
    owner_death_signal = "KILL"

    def __init__(self, directory: Path | str, settings: dict | None = None, *, die_with_owner: bool = True):
        super().__init__(directory, die_with_owner=die_with_owner)
        self._cluster_id = _cluster_id()
        if settings is not None:
            self._state["settings"] = settings

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def create_topic(self, topic: str, partitions: int = 12, settings: dict[str, str] | None = None) -> bool:
        """Makes a topic as the ingester asks for it; `settings` override. False where it is there already.

        Raises KafkaAdminError for every other refusal.
        """
        asked = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime",
                 "retention.ms": str(7 * kDay_ms), **(settings or {})}
        with KafkaAdmin(self.address) as admin:
            return admin.create_topic(topic, partitions, asked)

    def partition_counts(self) -> dict[str, int]:
        """Every topic with the number of its partitions."""
        with KafkaAdmin(self.address) as admin:
            return admin.partition_counts()

    def view(self) -> tuple[set[int], dict[tuple[str, int], int]]:
        """What this one knows of its cluster: the node.id of every living broker, and of the leader of every partition."""
        with KafkaAdmin(self.address) as admin:
            return admin.view()

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        self._state = {}

    @property
    def _properties(self) -> Path:
        return self.directory / "server.properties"

    def _create(self) -> None:
        if shutil.which("java") is None:
            raise StartFailed("Java is not installed: deploy/install-dependencies servers")
        jars = kafka_jars.ready()
        scratch = self.directory / "tmp"  # where the compression codecs unpack their native libraries
        scratch.mkdir(exist_ok=True)
        self._java = ["java", *kJavaOptions, f"-Djava.io.tmpdir={scratch}",
                      f"-Dlog4j2.configurationFile=file:{kLogging}", "-cp", f"{jars}/*"]
        self._write_properties()
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()

    def _write_properties(self) -> None:
        port, controller = self._settle_port(), self._settle_port("controller_port")
        settings = {
            "process.roles": "broker,controller", "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.directory / "data",
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1, "share.coordinator.state.topic.min.isr": 1,
            "broker.session.timeout.ms": 3000, "broker.heartbeat.interval.ms": 500,  # after kill -9 a start waits for it
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "log.message.timestamp.type": "LogAppendTime",
            **self._state.get("settings", {}),
        }
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self) -> None:
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(self._properties)]
        with open(self.log, "ab") as output:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd="/")
        if done.returncode != 0:
            raise StartFailed(f"Kafka's storage could not be formatted\n{log_tail(self.log)}")

    def _launch(self) -> None:
        self._run([*self._java, "kafka.Kafka", str(self._properties)])

    def _ready(self) -> bool:
        with KafkaAdmin(self.address) as admin:
            return admin.reachable(timeout_ms=500)

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGTERM


def _cluster_id() -> str:
    """A random UUID as Kafka writes it: base64url, and none that begins with a dash, which its tools take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
