"""Goal: every command answers what is so, on stdout for programs and people alike, with the documented exit code.

Method: the built program as a process against a real broker and a real PostgreSQL.
"""

import json
import subprocess

import pytest
from deployment import Deployment, kBinary
from producers import Producer, event

kWeek_ms = 7 * 24 * 3600 * 1000
kSecret = "sk-proj-" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn" * 2
kExitNo, kExitUnavailable, kExitConfig = 1, 69, 78


def ask(deployment, *arguments):
    done = subprocess.run([str(kBinary), *arguments, "--config", str(deployment.config)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def unmigrated(postgres, kafka, tmp_path):
    deployed = Deployment(postgres, kafka, tmp_path, partitions=2)
    yield deployed
    deployed.close()


def test_migrate_up_status_and_down_work_on_an_empty_database(unmigrated):
    code, out, _ = ask(unmigrated, "migrate", "status", "--json")
    before = json.loads(out)
    assert code == kExitNo and before["version"] == 0
    assert {migration["state"] for migration in before["migrations"]} == {"missing"}

    applied = json.loads(unmigrated.sealstream("migrate", "up", "--json"))
    assert applied == {"applied": [migration["name"] for migration in before["migrations"]],
                       "version": before["known_version"]}
    assert json.loads(unmigrated.sealstream("migrate", "up", "--json"))["applied"] == []
    assert json.loads(unmigrated.sealstream("migrate", "status", "--json"))["version"] == before["known_version"]

    newest = before["migrations"][-1]["name"]
    code, out, err = ask(unmigrated, "migrate", "down")
    assert (code, out) == (0, f"would be taken back: {newest}\n") and "--execute" in err
    assert json.loads(unmigrated.sealstream("migrate", "status", "--json"))["version"] == before["known_version"]
    taken = json.loads(unmigrated.sealstream("migrate", "down", "--execute", "--json"))
    assert taken == {"taken_back": newest, "executed": True}
    assert json.loads(unmigrated.sealstream("migrate", "status", "--json", expect=kExitNo))["version"] == \
        before["known_version"] - 1


def test_check_config_is_content_with_a_sound_deployment(deployment):
    findings = json.loads(deployment.sealstream("check-config", "--connect", "--json"))
    assert findings["ok"]
    assert {finding["check"] for finding in findings["findings"]} >= {
        "configuration", "keyring", "secret files", "database", "clock of PostgreSQL", f"topic {deployment.topic}"}


def test_check_config_says_that_a_database_is_not_migrated(unmigrated):
    code, out, _ = ask(unmigrated, "check-config", "--connect")
    assert code == kExitNo and "wrong  database: " in out and "sealstream migrate up" in out


@pytest.mark.parametrize("settings, complaint", [
    ({"cleanup.policy": "compact"}, "cleanup.policy is compact"),
    ({"message.timestamp.type": "CreateTime"}, "message.timestamp.type is CreateTime"),
    ({"retention.ms": str(kWeek_ms - 1)}, "retention.ms"),
    ({"retention.bytes": "1000000"}, "retention.bytes"),
])
def test_check_config_finds_what_is_wrong_with_a_topic(postgres, kafka, tmp_path, settings, complaint):
    deployed = Deployment(postgres, kafka, tmp_path, partitions=1, topic_settings=settings)
    try:
        deployed.migrate()
        code, out, _ = ask(deployed, "check-config", "--connect")
        assert code == kExitNo
        assert f"wrong  topic {deployed.topic}: " in out and complaint in out
        assert "ok     database" in out
    finally:
        deployed.close()


def test_check_config_says_that_a_topic_or_a_right_is_missing(deployment):
    deployment.as_superuser("REVOKE INSERT ON audit.quarantine FROM audit_writer")
    deployment.config = deployment.write_config("commands", 0, kafka={"topics": ["no.such.topic"]})
    code, out, _ = ask(deployment, "check-config", "--connect")
    assert code == kExitNo
    assert "wrong  topic no.such.topic: there is no such topic" in out
    assert "lacks INSERT on audit.quarantine" in out


def test_status_tells_positions_and_whether_an_instance_runs(deployment):
    ingester = deployment.ingester()
    deployment.config = ingester.config
    with Producer(deployment) as producer:
        producer.send_events(100, ["acme", "globex"])
        producer.send("acme", b"{}")
        producer.flush()
    deployment.wait_sealed(101)
    status = json.loads(deployment.sealstream("status", "--json"))
    assert status["database"]["events"] == 100 and status["database"]["tombstones"] == 1
    assert status["database"]["chains"] == 2
    assert sum(partition["accepted"] for partition in status["partitions"]) == 100
    assert sum(partition["next_offset"] for partition in status["partitions"]) == 101
    assert status["instance"]["ready"] and status["instance"]["status"]["live"]
    assert "instance   127.0.0.1:" in deployment.sealstream("status")

    ingester.signal(15)
    ingester.wait_end()
    code, out, _ = ask(deployment, "status")
    assert code == kExitNo and out.endswith(": nobody answers\n")


def test_quarantine_lists_and_shows_what_was_refused_without_its_secrets(deployment):
    deployment.ingester()
    bad = event("acme", data={"actor": {"type": "nobody"}, "status": "success", "method": "sso", "note": kSecret})
    with Producer(deployment) as producer:
        producer.send("acme", bad, headers=[("trace", b"\xff\x00")])
        producer.send("globex", b"\xff\xfe")
        producer.flush()
    deployment.wait_sealed(2)
    lines = [json.loads(line) for line in deployment.sealstream("quarantine", "list", "--json").splitlines()]
    assert {(line["tenant"], line["reason"], line["member_path"]) for line in lines} == {
        ("acme", "schema", "data.actor.type"), ("globex", "invalid_utf8", "")}
    assert len(deployment.sealstream("quarantine", "list", "--tenant", "acme").splitlines()) == 1
    assert len(deployment.sealstream("quarantine", "list", "--reason", "invalid_utf8").splitlines()) == 1
    assert deployment.sealstream("quarantine", "list", "--state", "released") == ""

    place = {line["tenant"]: line["place"] for line in lines}
    shown = json.loads(deployment.sealstream("quarantine", "show", place["acme"], "--json"))
    assert shown["redacted"] and shown["key"] == "acme" and "[REDACTED:" in shown["value"]
    assert shown["headers"] == [{"name": "trace", "value_base64": "/wA="}]
    assert json.loads(deployment.sealstream("quarantine", "show", place["globex"], "--json"))["value_base64"] == "//4="
    for arguments in (["list"], ["list", "--json"], ["show", place["acme"]], ["show", place["acme"], "--json"]):
        assert kSecret not in deployment.sealstream("quarantine", *arguments)

    code, out, err = ask(deployment, "quarantine", "show", f"{deployment.topic}/0/0/999999")
    assert (code, out) == (kExitNo, "") and "no refused record stood at" in err


def test_run_refuses_a_configuration_that_is_wrong(deployment):
    deployment.config = deployment.write_config("commands", 0, ingest={"batch_rosw": 1})
    code, out, err = ask(deployment, "run")
    assert (code, out) == (kExitConfig, "")
    assert "ingest.batch_rosw: unknown key; did you mean ingest.batch_rows?" in err


def test_print_config_masks_what_lies_in_files(deployment):
    code, out, _ = ask(deployment, "print-config", "--json")
    assert code == 0
    assert json.loads(out)["postgres"]["writer"]["password"] == "***"
    assert "password-of-writer" not in out


def test_a_role_that_may_not_log_in_is_a_sentence_and_not_a_stack(deployment):
    (deployment.directory / "auditor").write_text("wrong\n")
    code, out, err = ask(deployment, "status")
    assert (code, out) == (kExitUnavailable, "") and err.startswith("error: PostgreSQL: ")
