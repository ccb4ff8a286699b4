"""Goal: a secret of whatever rule, in whatever place of a record, appears nowhere afterwards: in no table, log, metric, endpoint,
or command's output, and in no log of PostgreSQL or Kafka (I12).

Method: every value and every member's name of events of all families, every part of a record around them, and values that are no
events; in each of these places a secret of each line of schemas/secret-rules.tsv with digits of its own. Then all digits are
looked for in everything that comes out, also where it is escaped or encoded. PostgreSQL logs every statement with its parameters.
"""

import itertools
import json

import psycopg
import pytest
from full_events import full_events
from ledger import open_ledger
from planted import Plants, secrets_with
from producers import Producer, binary, event

kPaths = ("/metrics", "/livez", "/readyz", "/v1/status", "/v1/partitions", "/")


def everywhere(node, path=""):
    """(path, what makes a copy with a secret there) for each value and each name in a document, and one name more."""
    if isinstance(node, dict):
        yield f"{path}{{}}", lambda secret: node | {secret: 1}
        for name, value in node.items():
            yield f"{path}.{name} as a name", lambda secret, name=name: {
                secret if other == name else other: value for other, value in node.items()}
            for inside, plant in everywhere(value, f"{path}.{name}"):
                yield inside, lambda secret, name=name, plant=plant: node | {name: plant(secret)}
    elif isinstance(node, list):
        yield f"{path}[]", lambda secret: [*node, secret]
        for index, value in enumerate(node):
            for inside, plant in everywhere(value, f"{path}[{index}]"):
                yield inside, lambda secret, index=index, plant=plant: [*node[:index], plant(secret), *node[index + 1:]]
    else:
        yield path, lambda secret: secret


def events(tenant):
    """(place, what makes a record) for each place in an event of each family; a place that families share comes once."""
    def record(planted, used_id):
        if planted.get("id") == used_id:
            planted["id"] = event(tenant)["id"]
        return tenant, json.dumps(planted), []

    seen = set()
    for document in full_events(tenant):
        for path, plant in everywhere(document):
            if path not in seen:
                seen.add(path)
                yield (f"{path} of {document['type']}",
                       lambda secret, plant=plant, used_id=document["id"]: record(plant(secret), used_id))


def headers(tenant):
    """The same for the headers of an event in binary mode."""
    def with_header(name, value):
        content, given = binary(event(tenant))
        return tenant, content, [*((other, old) for other, old in given if other != name), (name, value)]

    for name in (*event(tenant), "subject", "dataschema", "traceparent", "sequence", "datacontenttype", "note"):
        if name != "data":
            yield f"the header ce_{name}", lambda secret, name=name: with_header(f"ce_{name}", secret.encode())
    for name in ("content-type", "x-debug", "authorization"):
        yield f"the header {name}", lambda secret, name=name: with_header(name, secret.encode())
    yield "a header that is no UTF-8", lambda secret: with_header("ce_subject", secret.encode() + b"\xff")
    yield "a header's name", lambda secret: with_header(f"x {secret}", b"1")
    yield "an attribute's name", lambda secret: with_header(f"ce_{secret}", b"1")


def escaped(text):
    return "".join(f"\\u{ord(character):04x}" for character in text)


def others(tenant):
    """The same for keys, and for values that are no events."""
    def value(content):
        return tenant, content, []

    return [
        ("the key", lambda secret: (secret, json.dumps(event(tenant)), [])),
        ("key and tenantid", lambda secret: (secret, json.dumps(event(secret)), [])),
        ("no JSON", lambda secret: value(f"no json: {secret}!")),
        ("nothing but itself", value),
        ("a JSON string", lambda secret: value(json.dumps(secret))),
        ("JSON that is cut off", lambda secret: value(json.dumps(event(tenant, subject=secret))[:-1])),
        ("escaped text that is no JSON", lambda secret: value(f'{{"a": "{escaped(secret)}" oops')),
        ("JSON behind a registry's frame", lambda secret: value(b"\0\0\0\0\7" + json.dumps(event(tenant, type=secret)).encode())),
        ("no JSON behind a registry's frame", lambda secret: value(b"\0\0\0\0\7avro " + secret.encode())),
        ("data_base64", lambda secret: value(json.dumps(event(tenant, data=None, data_base64=secret)))),
        ("a batch", lambda secret: value(json.dumps([event(tenant, subject=secret)]))),
        ("a value with invalid UTF-8", lambda secret: value(json.dumps(event(tenant, subject=secret)).encode() + b"\xff")),
        ("a value with a NUL", lambda secret: value(json.dumps(event(tenant, subject=secret, note="\0")))),
        ("a member that comes twice", lambda secret: value(f'{{"a": {json.dumps(secret)}, "a": 1}}')),
        ("a value that is too deep", lambda secret: value('{"a":' * 40 + json.dumps(secret) + "}" * 40)),
    ]


def send_all(producer, plants):
    """Returns all bytes that were sent."""
    sent = []
    for form in range(len(plants.forms)):
        tenant = f"tenant-{form}"
        for place, make in itertools.chain(events(tenant), headers(tenant), others(tenant)):
            key, value, given = make(plants.secret(form, place))
            producer.send(key, value, given)
            sent += [key, value, *(part for header in given for part in header)]
    large = json.dumps(event("large", subject="x" * 270_000, note=plants.secret(0, "a value that is too large")))
    producer.send("large", large)
    return b"\n".join(part.encode() if isinstance(part, str) else part for part in [*sent, large])


class Sealed:
    """What was planted, sent and sealed."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.plants = Plants()
        self._server_logs = {server: server.log.stat().st_size for server in (deployment.postgres, deployment.kafka)}
        deployment.as_superuser(f"ALTER DATABASE {deployment.database} SET log_statement = 'all'")
        self.ingester = deployment.ingester(log={"level": "debug"})
        with Producer(deployment) as producer:
            self.sent = send_all(producer, self.plants)
            producer.flush()
            deployment.wait_sealed(producer.acknowledged, deadline_s=120)

    def tables(self):
        uri = self.deployment.uri_for_checker()
        with open_ledger(uri) as database, psycopg.connect(uri) as session:
            for table, column, column_type in database.stored_columns():
                value = column if column_type.startswith("bytea") else f"{column}::text"
                rows = session.execute(f"SELECT {value} FROM {table} WHERE {column} IS NOT NULL").fetchall()
                yield f"{table}.{column}", b"\n".join(as_bytes(value) for (value,) in rows)

    def log(self):
        yield "the log", self.ingester.log.read_bytes()

    def endpoints(self):
        for path in kPaths:
            yield path, self.ingester.get(path)[1].encode()

    def commands(self):
        """Of what was refused, one record of each place is shown."""
        listed = self._output("quarantine", "list", "--json", "--limit", "10000", "--tenant", "tenant-0")
        places = [json.loads(line)["place"] for line in listed.splitlines()]
        for words in [["status"], ["status", "--json"], ["verify"], ["verify", "--json"], ["print-config"],
                      ["quarantine", "list", "--limit", "10000"], ["anomalies", "list", "--all", "--json"], ["offsets", "show"],
                      ["offsets", "export"], *(["quarantine", "show", "--json", place] for place in places)]:
            yield " ".join(words), self._output(*words)

    def server_logs(self):
        for server, size in self._server_logs.items():
            yield f"the log of {server.name}", server.log.read_bytes()[size:]

    def _output(self, *words):
        done = self.deployment.run(*words, config=self.ingester.config)
        assert done.returncode == 0, done.stderr
        return (done.stdout + done.stderr).encode()


def as_bytes(value):
    if isinstance(value, list):
        return b"\n".join(map(as_bytes, value))
    return value.encode() if isinstance(value, str) else value


@pytest.fixture(scope="module")
def sealed(module_deployment):
    return Sealed(module_deployment)


def test_the_search_finds_every_secret_in_what_was_sent(sealed):
    assert sealed.plants.found_in(sealed.sent) == set(sealed.plants.planted)


@pytest.mark.parametrize("kind", ["tables", "log", "endpoints", "commands", "server_logs"])
def test_no_secret_of_a_record_comes_out(sealed, kind):
    faults = sealed.plants.faults(getattr(sealed, kind)())
    assert faults == [], f"{len(faults)} faults, the first of them:\n" + "\n".join(faults[:20])


def test_they_were_sealed_and_refused_and_counted(sealed):
    """And so all of this was looked at: rows, refused records, parameters in PostgreSQL's log."""
    assert sealed.deployment.ask("SELECT count(DISTINCT tenant_id) FROM audit.ledger WHERE family <> 'quarantined'"
                                 " AND tenant_id LIKE 'tenant-%%'") == [(len(sealed.plants.forms),)]
    assert dict(sealed.server_logs())["the log of PostgreSQL"].count(b"[REDACTED:") > len(sealed.plants.forms)
    for rule, _, marker in secrets_with("0"):
        assert sealed.ingester.metric("sealstream_secrets_redacted_total", rule=rule) > 0, marker
    sealed.deployment.check()
