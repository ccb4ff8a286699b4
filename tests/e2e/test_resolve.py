"""Goal: an operator finds, reads and resolves what the rules found, and resolving is an event in the tenant's chain.

Method: the built program beside a running ingester. The anomalies are put in by the superuser: what the rules find is tested
elsewhere.
"""

import json
import uuid

import pytest

kUsage = 64


def plant(deployment, tenant, anomaly_type="brute_force", severity="critical", hour=1, key="'key-1'", user="NULL"):
    """One anomaly; its id."""
    anomaly = str(uuid.uuid4())
    deployment.as_superuser(
        f"""INSERT INTO audit.api_key_anomalies (anomaly_id, tenant_id, anomaly_type, severity, subject, key_id, user_id,
              window_start, window_end, request_count, error_count, error_rate, unique_ips, details, judged_seq, created_at)
            SELECT '{anomaly}', '{tenant}', '{anomaly_type}', '{severity}', CASE WHEN {key} IS NULL THEN 'user' ELSE 'key' END,
                   {key}, {user}, w, w + interval '10 minutes', 7, 2, 285, 3, '{{"condition": "failures", "value": 12}}', -1,
                   w + interval '10 minutes'
            FROM (SELECT timestamptz '2026-11-25 00:00:00+00' + interval '{hour} hours' AS w) AS moment""")
    return anomaly


@pytest.fixture(scope="module")
def found(module_deployment):
    """(deployment with a running ingester, ids of four anomalies)"""
    deployment = module_deployment
    deployment.ingester()
    ids = {"old": plant(deployment, "acme", hour=1), "new": plant(deployment, "acme", "unusual_time", "low", hour=3),
           "user": plant(deployment, "globex", hour=2, key="NULL", user=r"E'm\033allory'")}
    ids["done"] = plant(deployment, "globex", hour=4)
    deployment.as_superuser("UPDATE audit.api_key_anomalies SET resolved = true, resolved_by = 'bob',"
                            f" resolved_at = '2026-11-25 06:00:00+00' WHERE anomaly_id = '{ids['done']}'")
    return deployment, ids


def listed(deployment, *options):
    lines = deployment.sealstream("anomalies", "list", "--json", *options).splitlines()
    return [json.loads(line)["anomaly_id"] for line in lines]


def test_list_shows_what_is_open_the_latest_first_and_filters(found):
    deployment, ids = found
    assert listed(deployment) == [ids["new"], ids["user"], ids["old"]]
    assert listed(deployment, "--all") == [ids["done"], ids["new"], ids["user"], ids["old"]]
    assert listed(deployment, "--resolved") == [ids["done"]]
    assert listed(deployment, "--open", "--tenant", "acme") == [ids["new"], ids["old"]]
    assert listed(deployment, "--type", "unusual_time") == [ids["new"]]
    assert listed(deployment, "--severity", "critical", "--limit", "1") == [ids["user"]]
    lines = deployment.sealstream("anomalies", "list").splitlines()
    assert len(lines) == 3 and lines[2].startswith(ids["old"])
    assert "\x1b" not in lines[1] and "mallory" not in lines[1] and "allory" in lines[1]
    assert "--limit is 1" in deployment.run("anomalies", "list", "--limit", "1").stderr


def test_show_tells_everything_of_one(found):
    deployment, ids = found
    shown = json.loads(deployment.sealstream("anomalies", "show", ids["done"], "--json"))
    assert shown == {
        "anomaly_id": ids["done"], "tenant_id": "globex", "anomaly_type": "brute_force", "severity": "critical",
        "subject": "key", "key_id": "key-1", "key_prefix": None, "user_id": None, "ip_address": None,
        "window_start": "2026-11-25T04:00:00.000000Z", "window_end": "2026-11-25T04:10:00.000000Z", "request_count": 7,
        "error_count": 2, "error_rate": 285, "unique_ips": 3, "details": {"condition": "failures", "value": 12},
        "judged_seq": -1, "resolved": True, "resolved_at": "2026-11-25T06:00:00.000000Z", "resolved_by": "bob"}
    text = deployment.sealstream("anomalies", "show", ids["done"].upper())
    assert "resolved        2026-11-25T06:00:00.000000Z by bob\n" in text
    assert "requests        7, errors 2 (285 of 1000), addresses 3\n" in text


def test_what_is_not_there_is_no_answer_and_no_id_is_no_question(found):
    deployment, _ = found
    absent = str(uuid.uuid4())
    for command in (("show", absent), ("resolve", absent, "--reason", "r")):
        done = deployment.run("anomalies", *command)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"there is no anomaly {absent}\n")
    assert deployment.run("anomalies", "show", "17").returncode == kUsage
    assert deployment.run("anomalies", "resolve", absent).returncode == kUsage
    assert deployment.run("anomalies", "list", "--open", "--all").returncode == kUsage


def test_resolving_only_says_what_would_be_published(found):
    deployment, ids = found
    sealed = deployment.sealed()
    done = deployment.run("anomalies", "resolve", ids["old"], "--reason", "rotated", "--by", "ada", "--json")
    assert (done.returncode, done.stderr) == (0, "Nothing was done. With --execute it is.\n")
    said = json.loads(done.stdout)
    assert (said["executed"], said["resolved"], said["topic"]) == (False, False, deployment.topic)
    assert said["event"]["type"] == "audit.admin.resolve.v1" and said["event"]["tenantid"] == "acme"
    assert said["event"]["data"] == {
        "actor": {"type": "user", "id": "ada"}, "resource": {"type": "api_key_anomaly", "id": ids["old"]},
        "status": "success", "reason": "rotated"}
    assert "would be published to" in deployment.sealstream("anomalies", "resolve", ids["old"], "--reason", "rotated")
    assert deployment.sealed() == sealed


def test_a_reason_that_no_event_may_have_is_refused_before_anything_is_published(found):
    deployment, ids = found
    done = deployment.run("anomalies", "resolve", ids["old"], "--reason", "x" * 257, "--execute")
    assert done.returncode == kUsage and "data.reason" in done.stderr


def test_what_is_resolved_is_not_resolved_again(found):
    deployment, ids = found
    sealed = deployment.sealed()
    done = deployment.run("anomalies", "resolve", ids["done"], "--reason", "again", "--execute")
    assert (done.returncode, done.stderr) == (0, "it is resolved already; nothing was published\n")
    assert deployment.sealed() == sealed


def test_an_event_that_does_not_arrive_in_time_is_said(found):
    deployment, ids = found
    elsewhere = deployment.topic + ".unread"
    deployment.kafka.create_topic(elsewhere, 1)
    config = deployment.write_config("unread", 1, kafka={"topics": [elsewhere]})
    done = deployment.run("anomalies", "resolve", ids["new"], "--reason", "r", "--execute", "--wait-ms", "200", config=config)
    assert done.returncode == 1
    assert f"published as {elsewhere}/0/0" in done.stderr and "does sealstream run?" in done.stderr
    assert listed(deployment, "--tenant", "acme") == [ids["new"], ids["old"]]


def test_an_event_that_no_broker_takes_is_an_error(found):
    deployment, ids = found
    config = deployment.write_config("nowhere", 1, kafka={"topics": [deployment.topic + ".missing"]})
    done = deployment.run("anomalies", "resolve", ids["new"], "--reason", "r", "--execute", config=config)
    assert done.returncode == 69 and "was not published" in done.stderr


def test_resolving_is_an_event_of_the_tenant_s_chain_that_the_ingester_applies(found):
    deployment, ids = found
    said = json.loads(deployment.sealstream("anomalies", "resolve", ids["old"], "--reason", "rotated", "--by", "ada", "--execute",
                                            "--json"))
    assert (said["executed"], said["resolved"]) == (True, True)
    rows = deployment.ask("SELECT tenant_id, family, action, source, status, actor_type, user_id, resource_type, resource_id,"
                          " personal_detail::text FROM audit.ledger WHERE event_id = %s", said["event"]["id"])
    assert rows == [("acme", "admin", "resolve", "sealstream", "success", "user", "ada", "api_key_anomaly", ids["old"],
                     '{"data": {"reason": "rotated"}}')]
    shown = json.loads(deployment.sealstream("anomalies", "show", ids["old"], "--json"))
    assert (shown["resolved"], shown["resolved_by"], shown["resolved_at"]) == (True, "ada", said["event"]["time"])
    assert deployment.sealstream("anomalies", "resolve", ids["user"], "--reason", "r", "--execute").startswith(
        f"resolved: {ids['user']} by event ")
    assert listed(deployment) == [ids["new"]]
