"""Goal: after `sealstream erase` a person's values are nowhere, everything else is as it was, the chain still verifies and says
what was erased and by which event; and an erasure that ended half-way is finished by running it again.

Method: the built program beside a real ingester. Every column of every table is searched for the person's id before and after;
the chain is verified by the program and by the independent checker.
"""

import json

import psycopg
import pytest
from producers import ContinuousProducer, Producer, event, llm_call

from ledger import open_ledger

kEve, kBob = "eve.harrow-7f3a", "bob.tanner-22c1"
kUsage, kUnavailable = 64, 69


def of(user, tenant="acme", **changes):
    return event(tenant, data={"actor": {"type": "user", "id": user, "name": f"name of {user}"}, "status": "success",
                               "method": "sso", **changes})


def key_event(user, action="used", **members):
    data = {"actor": {"type": "user", "id": user}, "status": "success", "key": {"key_id": f"key-{user[:3]}", "key_type": "user"}}
    return event("acme", family="api_key", action=action, data=data | members)


def call(user, tenant="acme"):
    return llm_call(tenant, actor={"type": "user", "id": user})


def send(deployment, *records):
    before = deployment.sealed()
    with Producer(deployment) as producer:
        for tenant, value in records:
            producer.send(tenant, value)
        producer.flush()
        deployment.wait_sealed(before + producer.acknowledged)


def where(deployment, needle):
    """table.column of everything that holds the string."""
    with open_ledger(deployment.uri_for_checker()) as ledger:
        return {f"{table}.{column}" for table, column, column_type in ledger.stored_columns()
                if ledger.column_holds(table, column, column_type, needle)}


def erase(deployment, *words, expect=0):
    done = deployment.run("erase", *words, "--json")
    assert done.returncode == expect, done.stdout + done.stderr
    return json.loads(done.stdout)


def verified(deployment, expect=0):
    return json.loads(deployment.sealstream("verify", "--json", expect=expect))


def erasures(deployment, tenant="acme"):
    return deployment.ask("SELECT seq, detail -> 'erased_seqs' FROM audit.ledger WHERE tenant_id = %s AND action = 'erase' ORDER BY seq",
                          tenant)


def derive(deployment):
    """Puts what the ledger alone gives into the read models, where it is not there already."""
    for table, view in (("usage_records", "usage_from_ledger"), ("api_keys", "api_keys_from_ledger")):
        columns = ", ".join(name for name, in deployment.ask(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass ORDER BY attnum", f"audit.{view}"))
        deployment.as_superuser(f"INSERT INTO audit.{table} ({columns}) SELECT * FROM audit.{view} ON CONFLICT DO NOTHING")


@pytest.fixture
def sealed(deployment):
    """Ten rows of acme, of which eve has 0 to 2, 4, 5, 8; one of globex, hers too; and three refused records."""
    deployment.ingester()
    send(deployment, *(("acme", value) for value in (
        of(kEve), call(kEve), call(kEve), call(kBob), key_event(kEve, "created"), key_event(kEve), key_event(kBob), of(kBob),
        of(kBob, on_behalf_of=kEve), of("carl"))), ("globex", of(kEve, "globex")),
        ("acme", json.dumps(event("acme", action="teleport", data={"actor": {"type": "user", "id": kEve}}))),
        ("acme", b'{"nobody": 1'), ("globex", f'{{"who": "{kEve}"'))
    return deployment


def test_a_user_s_values_are_nowhere_afterwards_and_the_chain_verifies(sealed):
    derive(sealed)
    places = where(sealed, kEve)
    assert {"audit.ledger.user_id", "audit.ledger.user_name", "audit.ledger.on_behalf_of", "audit.quarantine.value",
            "audit.usage_records.user_id", "audit.api_keys.user_id"} <= places
    kept = sealed.ask("SELECT tenant_id, seq, checksum, personal_commitment FROM audit.ledger ORDER BY 1, 2")

    planned = erase(sealed, "--tenant", "acme", "--user", kEve)
    assert (planned["executed"], planned["rows"], planned["refused"], planned["erasures"]) == (False, 6, 1, [])
    text = sealed.sealstream("erase", "--tenant", "acme", "--user", kEve)
    assert text.startswith(f'personal values  in 6 rows of tenant "acme" for user "{kEve}", from 20')
    assert "refused records  1 that hold the id\n" in text and f"to publish       1 to {sealed.topic}\n" in text
    assert where(sealed, kEve) == places

    done = erase(sealed, "--tenant", "acme", "--user", kEve, "--by", "ada", "--reason", "case 12", "--execute")
    assert (done["rows"], done["refused_emptied"], [erasure["rows"] for erasure in done["erasures"]]) == (6, 1, [6])
    seq = done["erasures"][0]["seq"]
    assert erasures(sealed) == [(seq, [[0, 2], [4, 5], [8, 8]])]
    assert sealed.ask("SELECT user_id, status, source, personal_detail::text FROM audit.ledger WHERE tenant_id = 'acme' AND seq = %s",
                      seq) == [("ada", "success", "sealstream", '{"data": {"reason": "case 12"}}')]

    # Of globex nothing was asked.
    assert sealed.ask("SELECT user_id FROM audit.ledger WHERE tenant_id = 'globex' AND seq = 0") == [(kEve,)]
    sealed.sealstream("erase", "--tenant", "globex", "--user", kEve, "--execute")
    assert where(sealed, kEve) == set()
    assert where(sealed, kBob) >= {"audit.ledger.user_id"}
    assert sealed.ask("SELECT tenant_id, seq, checksum, personal_commitment FROM audit.ledger"
                      " WHERE action <> 'erase' ORDER BY 1, 2") == kept

    assert sealed.ask("(TABLE audit.usage_records EXCEPT TABLE audit.usage_from_ledger)"
                      " UNION ALL (TABLE audit.usage_from_ledger EXCEPT TABLE audit.usage_records)") == []
    assert sealed.ask("SELECT user_id, requests FROM audit.usage_records WHERE tenant_id = 'acme' ORDER BY 1") == [("", 2), (kBob, 1)]

    report = verified(sealed)
    assert (report["verdict"], report["personal"]["erased"], report["personal"]["half_erased_rows"]) == ("intact", 7, 0)
    assert {"tenant": "acme", "seq": seq, "rows": 6} in report["personal"]["erasures"]
    assert f"erased by tenant \"acme\", seq {seq}: 6 rows" in sealed.sealstream("verify")
    sealed.check()


def test_erasing_again_finds_nothing_and_publishes_nothing(sealed):
    erase(sealed, "--tenant", "acme", "--user", kEve, "--execute")
    records = sealed.sealed()
    again = erase(sealed, "--tenant", "acme", "--user", kEve, "--execute")
    assert (again["rows"], again["refused"], again["erasures"]) == (0, 0, [])
    assert sealed.sealed() == records


def test_one_event_is_erased_alone(sealed):
    event_id, = sealed.ask("SELECT event_id FROM audit.ledger WHERE tenant_id = 'acme' AND seq = 4")[0]
    done = erase(sealed, "--tenant", "acme", "--event", event_id, "--execute")
    assert done["rows"] == 1 and [ranges for _, ranges in erasures(sealed)] == [[[4, 4]]]
    assert sealed.ask("SELECT count(*) FROM audit.ledger WHERE tenant_id = 'acme' AND user_id IS NULL AND seq < 10") == [(1,)]
    assert verified(sealed)["personal"]["erased"] == 1


def test_an_erasure_whose_event_came_late_is_finished_without_another(sealed):
    ingester = sealed.ingesters[0]
    ingester.signal(9)
    ingester.wait_end()
    late = sealed.run("erase", "--tenant", "acme", "--user", kEve, "--execute", "--json", "--wait-ms", "0")
    assert late.returncode == 1 and "does sealstream run?" in late.stderr
    assert [(e["seq"], e["rows"]) for e in json.loads(late.stdout)["erasures"]] == [(None, 0)]
    ingester.start().wait_ready()
    ingester.wait(lambda: erasures(sealed), 60, "to seal the erasure")
    (seq, _), = erasures(sealed)

    report = verified(sealed)
    assert (report["verdict"], report["exit_code"], report["personal"]["erased"]) == ("intact", 0, 0)
    assert report["personal"]["half_erased"] == [{"tenant": "acme", "seq": seq, "rows": 6}]
    assert f'not erased yet, named by tenant "acme", seq {seq}: 6 rows' in sealed.sealstream("verify")

    send(sealed, ("acme", of(kEve)))  # what came since is another event's
    planned = erase(sealed, "--tenant", "acme", "--user", kEve)
    assert (planned["rows"], planned["named_rows"], planned["events_to_publish"]) == (7, 6, 1)
    done = erase(sealed, "--tenant", "acme", "--user", kEve, "--execute")
    assert [(erasure["event_id"] is None, erasure["rows"]) for erasure in done["erasures"]] == [(True, 6), (False, 1)]
    assert len(erasures(sealed)) == 2
    report = verified(sealed)
    assert (report["verdict"], report["personal"]["erased"], report["personal"]["half_erased_rows"]) == ("intact", 7, 0)


def test_an_erasure_that_cannot_take_one_table_takes_none_and_is_finished_later(sealed):
    sealed.as_superuser("REVOKE UPDATE (user_id) ON audit.api_key_attempts FROM audit_eraser")
    done = sealed.run("erase", "--tenant", "acme", "--user", kEve, "--execute")
    assert done.returncode == kUnavailable and "permission denied for table api_key_attempts" in done.stderr
    assert sealed.ask("SELECT count(*) FROM audit.ledger WHERE user_id = %s", kEve)[0][0] > 1
    assert verified(sealed)["personal"]["half_erased_rows"] == 6
    sealed.as_superuser("GRANT UPDATE (user_id) ON audit.api_key_attempts TO audit_eraser")
    erase(sealed, "--tenant", "acme", "--user", kEve, "--execute")
    assert len(erasures(sealed)) == 1
    assert verified(sealed)["personal"]["half_erased_rows"] == 0


def test_refused_records_alone_are_emptied_and_the_chain_says_so(sealed):
    done = erase(sealed, "--tenant", "globex", "--event", f'"{kEve}"', "--execute")
    assert (done["rows"], done["refused_emptied"]) == (0, 1)
    assert [ranges for _, ranges in erasures(sealed, "globex")] == [[]]
    assert sealed.ask("SELECT state, redacted, value_length, cardinality(header_values) FROM audit.quarantine WHERE tenant_id = 'globex'",
                      role="operator") == [("discarded", True, None, 0)]


def test_values_taken_away_without_an_event_are_tampering(sealed):
    with psycopg.connect(sealed.uri("eraser")) as eraser:
        columns = [row[0] for row in sealed.ask("SELECT attname FROM pg_attribute WHERE attrelid = 'audit.ledger'::regclass"
                                                " AND has_column_privilege('audit_eraser', attrelid, attnum, 'UPDATE')")]
        assert eraser.execute(f"UPDATE audit.ledger SET {', '.join(f'{column} = NULL' for column in columns)}"
                              " WHERE tenant_id = 'acme' AND seq = 4").rowcount == 1
    report = verified(sealed, expect=1)
    assert [(fault["tenant"], fault["seq"], fault["wrong"]) for fault in report["faults"]] == [("acme", 4, "personal value")]


def test_one_column_left_of_an_erased_row_is_tampering(sealed):
    erase(sealed, "--tenant", "acme", "--user", kEve, "--execute")
    sealed.as_superuser("SET session_replication_role = replica;"
                        " UPDATE audit.ledger SET user_name = 'left' WHERE tenant_id = 'acme' AND seq = 4")
    report = verified(sealed, expect=1)
    assert [(fault["tenant"], fault["seq"], fault["wrong"]) for fault in report["faults"]] == [("acme", 4, "personal value")]
    assert report["personal"]["half_erased_rows"] == 1


def test_more_ranges_than_an_event_holds_take_more_events(deployment):
    deployment.ingester()
    send(deployment, *(("acme", of(user)) for _ in range(1_100) for user in (kEve, kBob)))
    done = erase(deployment, "--tenant", "acme", "--user", kEve, "--execute")
    assert [erasure["rows"] for erasure in done["erasures"]] == [1_000, 100]
    assert [len(ranges) for _, ranges in erasures(deployment)] == [1_000, 100]
    report = verified(deployment)
    assert (report["verdict"], report["personal"]["erased"]) == ("intact", 1_100)
    assert where(deployment, kEve) == set()


def test_erasing_goes_on_beside_a_running_ingester(deployment):
    deployment.ingester()
    with ContinuousProducer(deployment, ["acme", "globex"]) as producer:
        deployment.wait_sealed(2_000)
        erased = [erase(deployment, "--tenant", "acme", "--user", user, "--execute") for user in ("u-0", "u-2", "u-4")]
    deployment.wait_sealed(producer.acknowledged + 3)
    assert all(len(done["erasures"]) >= 1 for done in erased)
    report = verified(deployment)
    assert (report["verdict"], report["personal"]["erased"], report["personal"]["half_erased_rows"]) == (
        "intact", sum(erasure["rows"] for done in erased for erasure in done["erasures"]), 0)
    deployment.check()


@pytest.mark.parametrize("words, said", [
    (["--tenant", "acme"], "name either --user or --event"),
    (["--user", kEve], "--tenant is required"),
    (["--tenant", "acme", "--user", kEve, "--event", "e"], "excludes"),
    (["--tenant", "acme", "--user", kEve, "--by", kEve], "would name them again"),
    (["--tenant", "acme", "--user", kEve, "--reason", "x" * 300], "data.reason")])
def test_what_cannot_be_meant_is_refused(module_deployment, words, said):
    done = module_deployment.run("erase", *words, "--execute")
    assert (done.returncode, done.stdout) == (kUsage, "")
    assert said in done.stderr
