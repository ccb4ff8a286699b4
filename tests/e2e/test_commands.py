"""Goal: the commands tell operators the truth about a real deployment, and what is wrong with a configuration by file, line
and key.

Method: the built program, its exit codes, stdout and stderr, beside a running ingester whose records are known.
"""

import json
import re
import secrets

import pytest
from deployment import Deployment, kKeyring
from producers import Producer, event
from topics import Topic

kWrongConfiguration, kUsage, kUnavailable = 78, 64, 69


@pytest.fixture(scope="module")
def running(module_deployment):
    """With 30 events sealed and three records refused."""
    deployment = module_deployment
    deployment.ingester()
    with Producer(deployment) as producer:
        producer.send_events(30, ["acme", "globex"])
        producer.send("acme", event("acme", action="teleport"), partition=0)
        producer.send("globex", b'{"note": "sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn"', [("x-trace", b"\xff\x00")], partition=1)
        producer.send(None, event("acme"), partition=2)
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    return deployment


def json_lines(text):
    return [json.loads(line) for line in text.splitlines()]


# --- status ------------------------------------------------------------------------------------------------------


def test_status_tells_what_is_sealed_and_that_the_instance_is_ready(running):
    config = running.ingesters[0].config
    status = json.loads(running.sealstream("status", "--json", config=config))
    database = status["database"]
    assert (database["chains"], database["events"], database["tombstones"]) == (3, 30, 3)
    assert database["schema_version"] == database["known_schema_version"]
    assert len(database["leaves"]) == 3
    assert sorted((count["reason"], count["state"], count["records"]) for count in database["quarantine"]) == [
        ("invalid_json", "open", 1), ("tenant_missing", "open", 1), ("unknown_type", "open", 1)]
    assert len(status["partitions"]) == 12
    assert sum(partition["accepted"] for partition in status["partitions"]) == 30
    assert sum(partition["quarantined"] for partition in status["partitions"]) == 3
    assert (status["instance"]["answers"], status["instance"]["ready"], status["instance"]["status"]["ready"]) == (True,) * 3
    text = running.sealstream("status", config=config)
    assert "3 chains, 30 events, 3 tombstones, 3 leaves" in text
    assert text.endswith(": ready\n")


def test_status_exits_with_1_where_nobody_answers(running):
    assert running.sealstream("status", expect=1).endswith(": nobody answers\n")


def test_status_says_that_its_role_may_not_log_in(running):
    password = running.directory / "wrong-password"
    running.write_secret(password, "wrong")
    config = running.write_config("role", 1, postgres={"auditor": {"user": "audit_auditor", "password_file": str(password)}})
    done = running.run("status", config=config)
    assert (done.returncode, done.stdout) == (kUnavailable, "")
    assert "password authentication failed" in done.stderr


def test_status_says_that_postgresql_does_not_answer(running):
    config = running.write_config("down", 1, postgres={"port": 1})
    done = running.run("status", config=config)
    assert (done.returncode, done.stdout) == (kUnavailable, "")
    assert done.stderr.startswith("error: PostgreSQL: ")


# --- quarantine --------------------------------------------------------------------------------------------------


def test_quarantine_list_shows_the_newest_first_and_filters(running):
    listed = json_lines(running.sealstream("quarantine", "list", "--json"))
    assert {(row["reason"], row["tenant"]) for row in listed} == {
        ("unknown_type", "acme"), ("invalid_json", "globex"), ("tenant_missing", "_unattributed.2")}
    assert all(row["state"] == "open" and row["message"].endswith(".") for row in listed)
    assert [row["quarantined_at"] for row in listed] == sorted((row["quarantined_at"] for row in listed), reverse=True)
    assert [row["tenant"] for row in json_lines(running.sealstream("quarantine", "list", "--json", "--reason", "invalid_json"))
            ] == ["globex"]
    assert len(json_lines(running.sealstream("quarantine", "list", "--json", "--tenant", "acme"))) == 1
    assert len(json_lines(running.sealstream("quarantine", "list", "--json", "--limit", "2"))) == 2
    assert running.sealstream("quarantine", "list", "--state", "released") == ""
    assert len(running.sealstream("quarantine", "list").splitlines()) == 3


def test_quarantine_show_gives_the_record_redacted(running):
    place = json_lines(running.sealstream("quarantine", "list", "--json", "--tenant", "globex"))[0]["place"]
    assert re.fullmatch(re.escape(running.topic) + r"/0/1/\d+", place)
    shown = json.loads(running.sealstream("quarantine", "show", place, "--json"))
    assert shown["value"] == '{"note": "[REDACTED:openai-key]"'
    assert shown["redacted"] is True
    assert (shown["key"], shown["value_length"]) == ("globex", 39)
    assert shown["headers"] == [{"name": "x-trace", "value_base64": "/wA="}]
    text = running.sealstream("quarantine", "show", place)
    assert "what to mend    Send valid JSON" in text
    assert "[REDACTED:openai-key]" in text


def test_quarantine_show_of_what_is_not_there(running):
    assert "no refused record stood at" in running.run("quarantine", "show", f"{running.topic}/0/1/999999").stderr
    assert running.run("quarantine", "show", f"{running.topic}/0/1/999999").returncode == 1
    assert running.run("quarantine", "show", "nonsense").returncode == kUsage


# --- migrate -----------------------------------------------------------------------------------------------------


def test_migrate_status_before_and_after(postgres, kafka, tmp_path):
    deployment = Deployment(postgres, kafka, tmp_path)
    try:
        before = json.loads(deployment.sealstream("migrate", "status", "--json", expect=1))
        assert before["version"] == 0
        assert {migration["state"] for migration in before["migrations"]} == {"missing"}
        applied = json.loads(deployment.sealstream("migrate", "up", "--json"))
        assert len(applied["applied"]) == applied["version"] == before["known_version"]
        after = json.loads(deployment.sealstream("migrate", "status", "--json"))
        assert {migration["state"] for migration in after["migrations"]} == {"applied"}
        assert json.loads(deployment.sealstream("migrate", "up", "--json"))["applied"] == []
        newest = after["migrations"][-1]["name"]
        assert deployment.sealstream("migrate", "down") == f"would be taken back: {newest}\n"
        assert json.loads(deployment.sealstream("migrate", "status", "--json")) == after
        assert json.loads(deployment.sealstream("migrate", "down", "--execute", "--json")) == {
            "taken_back": newest, "executed": True}
        assert json.loads(deployment.sealstream("migrate", "status", "--json", expect=1))["version"] == after["version"] - 1
        deployment.sealstream("migrate", "up")
        deployment.ingester()
    finally:
        deployment.close()


# --- check-config ------------------------------------------------------------------------------------------------


def findings(deployment, expect, config=None):
    done = deployment.run("check-config", "--connect", "--json", config=config)
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def wrong(found):
    return [finding["sentence"] for finding in found["findings"] if not finding["ok"]]


def test_check_config_asks_database_topics_and_clocks(running):
    found = findings(running, 0)
    assert found["ok"] is True
    assert wrong(found) == []
    checks = {finding["check"] for finding in found["findings"]}
    assert {"configuration", "keyring", "secret files", "database", "clock of PostgreSQL", f"topic {running.topic}"} <= checks
    running.sealstream("check-config")


def test_check_config_names_what_is_wrong_with_a_topic(deployment):
    topic = Topic(deployment)
    topic.alter("message.timestamp.type", "CreateTime")
    topic.alter("cleanup.policy", "compact")
    topic.alter("retention.ms", "3600000")
    topic.alter("retention.bytes", "1000000")
    said = deployment.sealstream("check-config", "--connect", expect=1)
    for words in ("message.timestamp.type is CreateTime", "cleanup.policy is compact", "604800000", "retention.bytes"):
        assert words in said
    assert f"wrong  topic {deployment.topic}: " in said
    assert "ok     database" in said


def test_check_config_names_a_missing_topic_a_missing_right_and_an_unmigrated_database(postgres, kafka, tmp_path):
    deployment = Deployment(postgres, kafka, tmp_path)
    try:
        assert "migrate up" in " ".join(wrong(findings(deployment, 1)))
        deployment.migrate()
        nowhere = deployment.write_config("nowhere", 1, kafka={"topics": ["no.such.topic"]})
        assert "no such topic" in " ".join(wrong(findings(deployment, 1, nowhere)))
        deployment.as_superuser("REVOKE INSERT ON audit.quarantine FROM audit_writer")
        assert "INSERT on audit.quarantine" in " ".join(wrong(findings(deployment, 1)))
    finally:
        deployment.close()


# --- version, help, and what is wrong with a command line or a configuration -------------------------------------


def test_version(running):
    version = json.loads(running.sealstream("version", "--json"))
    assert set(version) == {"version", "schema_version", "rules_version", "row_format"}
    assert running.sealstream("version").startswith(f"sealstream {version['version']}\n")


@pytest.mark.parametrize("command", ["", "run", "check-config", "print-config", "migrate", "migrate up", "verify", "quarantine",
                                     "quarantine list", "quarantine show", "anomalies", "anomalies list", "anomalies show",
                                     "anomalies resolve", "offsets", "offsets show",
                                     "offsets export", "offsets reset", "erase", "status", "version"])
def test_help_leads_with_examples(running, command):
    done = running.run(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 < done.stdout.index("Examples:\n") < done.stdout.index("Usage:")


@pytest.mark.parametrize("words, said", [
    (["versio"], 'unknown command "versio"; did you mean version?'),
    (["verify", "--tenat", "acme"], "unknown option --tenat; did you mean --tenant?"),
    (["quarantine", "lst"], "did you mean list?"),
    (["quarantine"], "a command is missing; there are: list, show"),
    (["quarantine", "list", "--state", "shut"], "open"),
    (["verify", "--since", "yesterday"], "since"),
])
def test_wrong_command_lines_say_what_was_meant(running, words, said):
    done = running.run(*words)
    assert (done.returncode, done.stdout) == (kUsage, "")
    assert said in done.stderr


@pytest.mark.parametrize("line, said", [
    ("kafka.brokerz: x", "kafka.brokerz: unknown key; did you mean kafka.brokers?"),
    ("ingest.lanes: 0", 'ingest.lanes: "0" is not allowed; allowed: auto, or 1 to 256'),
    ("ingest.linger_ms: soon", 'ingest.linger_ms: "soon" is not allowed; allowed: 0 to 60000'),
    ("log.level: loud", 'log.level: "loud" is not allowed; allowed: one of: debug, info, warning, error'),
    ("postgres.sslmode: prefer", 'postgres.sslmode: "prefer" is not allowed'),
    ("http.listen: nowhere", "http.listen"),
    ("kafka.properties.enable.auto.commit: true", "enable.auto.commit"),
    ("kafka.properties.auto.offset.reset: earliest", "auto.offset.reset"),
    ("kafka.properties.isolation.level: read_uncommitted", "isolation.level"),
    ("kafka.brokers: kafka.example.com:9092", "allow_plaintext"),
])
@pytest.mark.parametrize("command", ["check-config", "run"])
def test_wrong_configuration_is_named_by_file_line_and_key(running, command, line, said):
    config, number = with_line(running, line)
    done = running.run(command, config=config)
    assert (done.returncode, done.stdout) == (kWrongConfiguration, "")
    assert said in done.stderr
    assert re.search(re.escape(f"{config}:{number}:") + r"\d+: ", done.stderr), done.stderr


def with_line(deployment, line):
    """(file, line number) of a configuration in which this dotted key has this value; the section of the good one is kept."""
    path, value = line.split(": ", 1)
    section, key = path.split(".", 1)
    good = json.loads(deployment.config.read_text())
    good.setdefault(section, {}).pop(key, None)
    if key.startswith("properties."):
        inner = f'"{key.split(".", 1)[1]}": {value}'
        written = f'  "properties": {{{inner}}}'
    else:
        written = f'  "{key}": {value}'
    lines = []
    for name, content in good.items():
        if name != section:
            lines.append(f"{name}: {json.dumps(content)}")
    lines.append(f"{section}:")
    lines += [f"  {json.dumps(name)}: {json.dumps(content)}" for name, content in good[section].items()]
    lines.append(written)
    file = deployment.directory / f"wrong-{secrets.token_hex(4)}.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file, len(lines)


def test_absent_and_unreadable_files_are_named(running):
    for section, said in (({"keyring_file": "/nowhere/keyring.yaml"}, "/nowhere/keyring.yaml"),
                          ({"postgres": {"writer": {"user": "audit_writer", "password_file": "/nowhere/password"}}},
                           "/nowhere/password")):
        done = running.run("check-config", config=running.write_config("absent", 1, **section))
        assert done.returncode == kWrongConfiguration
        assert said in done.stderr
    done = running.run("run", config="/nowhere/sealstream.yaml")
    assert done.returncode == kWrongConfiguration
    assert "/nowhere/sealstream.yaml: cannot be read" in done.stderr


def test_a_keyring_that_others_can_read_is_refused(running):
    keyring = running.directory / "open-keyring.yaml"
    running.write_secret(keyring, kKeyring % secrets.token_hex(32))
    keyring.chmod(0o644)
    for command in ("run", "check-config"):
        done = running.run(command, config=running.write_config("open", 1, keyring_file=str(keyring)))
        assert done.returncode == kWrongConfiguration
        assert str(keyring) in done.stderr and "0600" in done.stderr


def test_environment_overrides_a_key_and_is_named_where_it_is_wrong(running, monkeypatch):
    monkeypatch.setenv("SEALSTREAM__INGEST__LANES", "7")
    printed = json.loads(running.sealstream("print-config", "--json"))
    assert "7" in json.dumps(printed["ingest"]["lanes"])
    assert printed["postgres"]["writer"]["password"] == "***"
    assert "password-of-" not in running.sealstream("print-config")
    monkeypatch.setenv("SEALSTREAM__INGEST__LANES", "none")
    done = running.run("check-config")
    assert done.returncode == kWrongConfiguration
    assert "SEALSTREAM__INGEST__LANES" in done.stderr


def test_a_database_elsewhere_must_be_checked_by_its_certificate(running):
    done = running.run("check-config", config=running.write_config("elsewhere", 1, postgres={"host": "db.example.com"}))
    assert done.returncode == kWrongConfiguration
    assert 'postgres.sslmode: "disable" works only on this machine' in done.stderr
    assert "verify-full, or postgres.allow_plaintext" in done.stderr


def test_none_of_it_changed_anything(running):
    running.check()
