"""One deployment of Sealstream for a test: a database and a topic of its own on the shared servers, the built program as a
process, producers that keep a history, and the independent checker at the end."""

import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

kRoot = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(kRoot / "deploy"), str(kRoot / "tests" / "reference")]

from checker import check_run  # noqa: E402
from local.process import Process, free_port, log_tail, wait_until  # noqa: E402

kBinary = Path(os.environ.get("SEALSTREAM_BINARY", kRoot / "build" / "dev" / "src" / "app" / "sealstream"))
kRoles = ("writer", "auditor", "operator", "eraser", "rebuilder", "migrator")
kKeyring = 'keys:\n  - {id: "2026q3", from: "2026-07-01T00:00:00Z", key: "%s"}\n'


def reached(positions, ends):
    """Whether every partition is sealed up to its end, and one record more of any."""
    return (sum(positions.values()) > sum(ends.values())
            and all(positions.get(partition, 0) >= end for partition, end in ends.items()))


class Ingester:
    """One `sealstream run` process. `log` holds its stderr. launcher: words before the program, such as env's."""

    def __init__(self, deployment, name, launcher=(), **changes):
        self.name = name
        self.log = deployment.directory / f"{name}.log"
        self.port = free_port()
        self.config = deployment.write_config(name, self.port, **changes)
        self._command = [*launcher, str(deployment.binary), "run", "--config", str(self.config)]
        self._process = None

    def start(self, **environment):
        self._process = Process.start(self._command, self.log, end_with_parent="KILL",
                                      environment={**os.environ, **environment})
        return self

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process is not None and self._process.alive()

    def signal(self, number):
        self._process.signal(number)

    def frozen(self):
        """Whether SIGSTOP holds it."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def wait_end(self, deadline_s=40):
        """The exit code of the ended process."""
        self._process.wait_end(deadline_s)
        return self._process.exit_code

    def lines(self):
        """How many lines it logged so far, over all its starts."""
        return self.log.read_bytes().count(b"\n")

    def log_events(self):
        """What it logged, one dict a line."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def get(self, path):
        """(status code, text) of an endpoint; (None, reason) where nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as down:
            return None, str(down)

    def json(self, path):
        code, text = self.get(path)
        assert code == 200, text
        return json.loads(text)

    def peak_memory_mib(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def ready(self):
        return self.get("/readyz")[0] == 200

    def wait_ready(self, deadline_s=60):
        self.wait(self.ready, deadline_s, "to be ready")
        return self

    def failing_checks(self):
        """name -> why, of the checks of /readyz that fail."""
        checks = json.loads(self.get("/readyz")[1])["checks"]
        return {name: check["why"] for name, check in checks.items() if not check["ok"]}

    def metric(self, name, **labels):
        """The value of one series; the sum where the labels name several; 0 where there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{label}="{wanted}"' in series for label, wanted in labels.items()):
                total += float(value)
        return total

    def wait(self, condition, deadline_s, what):
        """Until the condition holds; fails at once where the process ends."""
        def reached():
            assert self.running(), f"{self.name} ended\n{log_tail(self.log)}"
            return condition()

        try:
            wait_until(reached, deadline_s, f"{self.name} {what}")
        except TimeoutError as late:
            raise AssertionError(f"{late}: {self.get('/readyz')}\n{log_tail(self.log)}") from late


class Deployment:
    """Everything of one test. Files lie in `directory`; nothing outlives close().

    postgres_host: what the configuration says, where it is not the host of `postgres` alone.
    log_of: another deployment whose topic, history and keyring this one shares, for one more database of the same log.
    backup: a file of that deployment's backup(), which the database is restored to.
    """

    binary = kBinary
    roles = kRoles  # that the program's configuration knows

    def __init__(self, postgres, kafka, directory, partitions=12, topic_settings=None, postgres_host=None, log_of=None,
                 backup=None):
        self.postgres = postgres
        self.postgres_host = postgres_host or postgres.host
        self.kafka = kafka
        self.directory = directory
        self.history = log_of.history if log_of else directory / "history.jsonl"
        self.observations = directory / "observations.jsonl"
        self.keyring = directory / "keyring.yaml"
        unique = secrets.token_hex(4)
        self.topic = log_of.topic if log_of else f"audit.events.{unique}"
        self.database = f"sealstream_{unique}"
        self.ingesters = []
        self._passwords = {}
        self.write_secret(self.keyring, log_of.keyring.read_text() if log_of else kKeyring % secrets.token_hex(32))
        if not log_of:
            kafka.create_topic(self.topic, partitions, topic_settings)
        self._create_database(backup)

    def _create_database(self, backup):
        self.postgres.psql(f"CREATE DATABASE {self.database}")
        if backup:
            self._postgres_tool("pg_restore", "--exit-on-error", "--dbname", self.uri_for_checker(), str(backup))
        self.postgres.psql((kRoot / "deploy" / "roles.sql").read_text(), self.database, one_transaction=True)
        for role in kRoles:
            self._passwords[role] = f"password-of-{role}"  # roles are shared by all databases of the cluster
            self.write_secret(self.directory / role, self._passwords[role])
            self.postgres.psql(f"ALTER ROLE audit_{role} PASSWORD '{self._passwords[role]}'")
        self.config = self.write_config("commands", free_port())

    @staticmethod
    def write_secret(path, text):
        path.touch(mode=0o600)
        path.write_text(text + "\n")

    def write_config(self, name, http_port, **changes):
        """A configuration file. changes: sections whose keys override, for example ingest={"lanes": 1}."""
        sections = {
            "kafka": {"brokers": self.kafka.address, "topics": [self.topic], "group_id": f"group-{self.topic}"},
            "postgres": {"host": self.postgres_host, "port": self.postgres.port, "database": self.database,
                         "sslmode": "disable",
                         **{role: {"user": f"audit_{role}", "password_file": str(self.directory / role)} for role in self.roles}},
            "keyring_file": str(self.keyring),
            "http": {"listen": f"127.0.0.1:{http_port}"},
        }
        for section, keys in changes.items():
            sections[section] = {**sections.get(section, {}), **keys} if isinstance(keys, dict) else keys
        path = self.directory / f"{name}.yaml"
        path.write_text(json.dumps(sections, indent=1))  # YAML reads JSON
        return path

    def run(self, *arguments, config=None, **environment):
        """A command of the program, ended: with returncode, stdout, stderr. config: an ingester's, where it is to be asked."""
        return subprocess.run([str(self.binary), *arguments, "--config", str(config or self.config)], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=120, env={**os.environ, **environment})

    def sealstream(self, *arguments, expect=0, config=None):
        """The same; returns its stdout, and asserts its exit code."""
        done = self.run(*arguments, config=config)
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def migrate(self):
        self.sealstream("migrate", "up")
        return self

    def ingester(self, name="one", **changes):
        """A new `sealstream run`, started and ready; `changes` as in write_config, or a launcher."""
        return self.start_ingester(name, **changes).wait_ready()

    def start_ingester(self, name="one", **changes):
        """The same, not waited for beyond its first answer: what it needs may be away."""
        ingester = Ingester(self, name, **changes)
        self.ingesters.append(ingester)
        ingester.start().wait(lambda: ingester.get("/livez")[0] == 200, 60, "to answer")
        return ingester

    def uri(self, role):
        return self.postgres.uri(f"audit_{role}", self._passwords[role], self.database)

    def ask(self, sql, *parameters, role="auditor"):
        with psycopg.connect(self.uri(role)) as session:
            return session.execute(sql, parameters).fetchall()

    def as_superuser(self, sql):
        return self.postgres.psql(sql, self.database)

    def writers(self, condition):
        """How many sessions of the role audit_writer are in this state (columns of pg_stat_activity)."""
        return int(self.as_superuser("SELECT count(*) FROM pg_stat_activity WHERE usename = 'audit_writer'"
                                     f" AND datname = current_database() AND {condition}"))

    def end_writers(self, condition="true"):
        """Ends the sessions of the role audit_writer in this database that are in this state."""
        self.as_superuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'audit_writer'"
                          f" AND datname = current_database() AND {condition}")

    def epochs(self):
        return [epoch for (epoch,) in self.ask("SELECT owner_epoch FROM audit.partitions ORDER BY topic, partition")]

    def leaves(self):
        return [leaf for (leaf,) in self.ask("SELECT inhrelid::regclass::text FROM pg_inherits"
                                             " WHERE inhparent = 'audit.ledger'::regclass ORDER BY 1")]

    def positions(self):
        """Each partition's next offset."""
        return dict(self.ask("SELECT partition, next_offset FROM audit.partitions"))

    def sealed(self):
        """Offsets below the positions in PostgreSQL, over all partitions."""
        return self.ask("SELECT coalesce(sum(next_offset - first_offset), 0)::bigint FROM audit.partitions")[0][0]

    def wait_sealed(self, records, deadline_s=60):
        self.wait(lambda: self.sealed() >= records, deadline_s, f"{records} records to be sealed")

    def wait(self, condition, deadline_s, what):
        """Until the condition holds; says where everybody stands if it does not."""
        try:
            wait_until(condition, deadline_s, what)
        except TimeoutError as late:
            logs = "\n".join(f"{i.name}: {i.get('/readyz')}\n{log_tail(i.log)}" for i in self.ingesters)
            raise AssertionError(f"{late}; {self.sealed()} records are sealed\n{logs}") from late

    def check(self, planted=()):
        """The independent checker: every invariant over the producer's history, Kafka and PostgreSQL."""
        quiet = [ingester.log for ingester in self.ingesters]
        for ingester in self.ingesters:
            for path in ("metrics", "v1/status", "v1/partitions"):
                if ingester.running():
                    file = self.directory / f"{ingester.name}-{path.replace('/', '-')}"
                    file.write_text(ingester.get("/" + path)[1])
                    quiet.append(file)
        findings = check_run(self.history if self.history.exists() else None, self.kafka.address, [self.topic],
                             self.uri_for_checker(), self.keyring,
                             self.observations if self.observations.exists() else None, planted, quiet)
        assert findings == [], "\n".join(f"{f.invariant} ({f.count}): {f.counter_example}" for f in findings)

    def uri_for_checker(self):
        """A superuser: the checker looks into every table, the quarantine too."""
        return self.postgres.uri("postgres", self.postgres.superuser_password, self.database)

    def backup(self, name):
        """A dump of the database as it is now; ingestion may go on."""
        file = self.directory / name
        self._postgres_tool("pg_dump", "--format=custom", "--file", str(file), self.uri_for_checker())
        return file

    @staticmethod
    def _postgres_tool(*command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    def close(self):
        for ingester in self.ingesters:
            if ingester.running():
                ingester.signal(9)
                ingester.wait_end()
        self.postgres.psql(f"DROP DATABASE {self.database} WITH (FORCE)")
