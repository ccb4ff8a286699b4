"""Goal: a secret that a publisher sends by mistake becomes the marker of its rule, is counted, and flags what was refused; nor do
those of the configuration come out (I12). That none of them comes out of any place is test_quiet.py's affair.

Method: one secret for each line of schemas/secret-rules.tsv, all with the same twelve random digits in them, sent in good and in
refused records; then the rows are looked at, and the digits are looked for.
"""

import json
import re
import secrets

import pytest
from planted import secrets_with
from producers import Producer, binary, event, llm_call

kMark = "".join(secrets.choice("123456789") for _ in range(12))
kSecrets = secrets_with(kMark)


def good(tenant, secret):
    """An event that lands, with the secret wherever a string may stand."""
    return llm_call(tenant, input_summary=f"see {secret} here", output_summary=secret, tags=["a", secret],
                    error={"type": "x", "code": "1", "message": f"got {secret}"}, model=f"m {secret}",
                    client={"type": "cli", "user_agent": f"ua {secret} end", "ip": secret}, policies_hit=[{"policy_id": secret}],
                    tools_called=[{"name": secret, "call_id": "1"}], digest={"alg": secret}, detail={"deep": [{"x": [secret]}]},
                    novelty={"deeper": {secret: 1, "y": f"<{secret}>"}}, **{secret: True})


def folded(secret):
    return "".join(f"\\u{ord(character):04x}" for character in secret)


def refused(tenant, secret):
    """(key, value, headers) of records that are refused, with the secret in all of their parts."""
    headers = [("content-type", b"application/cloudevents+json"), ("ce_note", secret.encode()), ("x-debug", secret.encode()),
               (f"x {secret}", b"1")]
    unknown = good(tenant, secret) | {"type": "audit.weather.rained.v1", "subject": secret, "note": secret}
    yield tenant, json.dumps(unknown), headers
    yield tenant, json.dumps(unknown)[:-1], headers
    yield tenant, f"no json: {secret}!", headers
    yield tenant, f'{{"a": "{folded(secret)}" oops', headers
    yield secret, json.dumps(event(tenant)), headers
    yield tenant, json.dumps(event(tenant, id=secret)), []
    yield tenant, json.dumps(event(tenant, source=secret)), []
    yield tenant, json.dumps(event(tenant, type=f"audit.{secret}")), []
    yield tenant, json.dumps(event(tenant, time=secret)), []


@pytest.fixture(scope="module")
def secretive(module_deployment):
    """One run with all of them; what was quarantined is known by the tenant's number."""
    deployment = module_deployment
    password = deployment.directory / "sasl"
    deployment.write_secret(password, f"secret-of-kafka-{kMark}")
    deployment.ingester(log={"level": "debug"}, kafka={"property_files": {"sasl.password": str(password)}})
    with Producer(deployment) as producer:
        for number, (_, secret, _) in enumerate(kSecrets):
            tenant = f"tenant-{number}"
            producer.send(tenant, good(tenant, secret))
            value, headers = binary(event(tenant, subject=f"s {secret}"))
            producer.send(tenant, value, [*headers, ("ce_note", secret.encode()), ("x-debug", secret.encode())])
            for record in refused(tenant, secret):
                producer.send(*record)
        producer.send("tenant-0", json.dumps(good("tenant-0", kSecrets[0][1]) | {"pad": "x" * 270_000, "z": kSecrets[0][1]}))
        producer.send("tenant-0", event("tenant-0", family="api_key", action="created", data={
            "actor": {"type": "user", "id": "u"}, "status": "success", "key": {"key_id": "k-1", "key_hash": f"raw-{kMark}"}}))
        producer.send("tenant-0", event("tenant-0", data={
            "actor": {"type": "user", "id": "u"}, "status": "success", "method": "sso", "mfa_seed": f"{kMark}",
            "config": {"client_secret": {"nested": [kMark]}, "Password": f"hunter{kMark}"}}))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    return deployment


@pytest.mark.parametrize("number", range(len(kSecrets)), ids=[f"{rule} {number}" for number, (rule, _, _) in enumerate(kSecrets)])
def test_each_secret_becomes_the_marker_of_its_rule(secretive, number):
    _, _, marker = kSecrets[number]
    row = secretive.ask("SELECT input_summary, output_summary, error_message, model, user_agent, client_ip,"
                        " policies_hit #>> '{0,policy_id}', tools_called #>> '{0,name}', personal_detail"
                        " FROM audit.ledger WHERE tenant_id = %s AND family = 'llm_call'", f"tenant-{number}")[0]
    assert row[:8] == (f"see {marker} here", marker, f"got {marker}", f"m {marker}", f"ua {marker} end", None, marker, marker)
    personal = row[8]["data"]
    assert personal["tags"] == ["a", marker]
    assert personal["detail"] == {"deep": [{"x": [marker]}]}
    assert personal["novelty"] == {"deeper": {marker: 1, "y": f"<{marker}>"}}
    assert personal[marker] is True


def test_secrets_by_name_and_raw_keys_are_taken_out_whole(secretive):
    assert secretive.ask("SELECT key_hash FROM audit.ledger WHERE key_id = 'k-1'") == [("[REDACTED:raw-key]",)]
    marker = "[REDACTED:named-secret]"
    rows = secretive.ask("SELECT personal_detail -> 'data' FROM audit.ledger WHERE personal_detail -> 'data' ? 'mfa_seed'")
    assert rows == [({"mfa_seed": marker, "config": {"client_secret": {"nested": [marker]}, "Password": marker}},)]


def test_every_quarantined_record_is_flagged_as_redacted(secretive):
    rows = secretive.ask("SELECT redacted, count(*) FROM audit.quarantine GROUP BY 1", role="operator")
    assert rows == [(True, 9 * len(kSecrets) + 1)]


def test_metrics_count_every_rule(secretive):
    for rule in {rule for rule, _, _ in kSecrets} | {"raw-key"}:
        assert secretive.ingesters[0].metric("sealstream_secrets_redacted_total", rule=rule) > 0, rule


def test_they_are_nowhere(secretive):
    """Tables, log at the level debug, metrics and endpoints; the configuration's own secrets too."""
    keyring_key = re.search(r"[0-9a-f]{64}", secretive.keyring.read_text())[0]
    secretive.check(planted=[kMark, keyring_key, "password-of-writer"])


def test_commands_do_not_print_them(secretive):
    places = [json.loads(line)["place"] for line in
              secretive.sealstream("quarantine", "list", "--json", "--limit", "10000").splitlines()]
    assert len(places) == 9 * len(kSecrets) + 1
    commands = [["quarantine", "list", "--limit", "10000"], ["verify", "--json"], ["print-config"], ["status"],
                *(["quarantine", "show", place] for place in places[:40])]
    for command in commands:
        output = secretive.sealstream(*command, config=secretive.ingesters[0].config)
        assert kMark not in output
        assert "password-of-" not in output
