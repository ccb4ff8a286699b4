"""Goal: the checker itself is checked: an honest run is clean, and for every invariant the ways to break it are found.

Method: records of an in-memory log, sealed by the second writer into the real tables; then one thing is broken, as a
superuser with triggers off or by leaving something out, and the checker must name the invariant. Where the break can
be made consistent with the chain, it is (the second writer is told to misbehave), so that no other invariant hides it.
"""

from dataclasses import replace

import pytest

import checker
import ledger
import verify
from conftest import Sealed, psql
from decode import Decoded, decode
from history import HistoryWriter, read_history
from observe import observe
from read_model_tables import derive
from samples import DATA, TOPIC
from sealing import write_read_models

SECRET = "sk-planted-0123456789abcdef"


def findings(sealed, tamper=None, **named):
    """The read models follow the ledger as it stands; tamper: a statement that changes them."""
    database = ledger.Ledger(sealed.connection)
    write_read_models(sealed.connection, derive(database.rows())[0])
    if tamper:
        sealed.connection.execute(tamper)
    found = checker.check(database, sealed.keys, sealed.log.logs, **named)
    return {finding.invariant: finding.counter_example for finding in found}


@pytest.fixture
def run(sealed):
    """A run of everything: all families, tombstones, duplicates, an id conflict, control records, two partitions."""
    for kind in DATA:
        sealed.seal(kind)
        sealed.seal(kind, tenant="beta", partition=1)
    first = sealed.seal(event_id="the-same-id")
    sealed.seal(event_id="the-same-id")
    sealed.seal("escalation.created", event_id="the-same-id")
    sealed.seal(value=b"{")
    sealed.seal(key=None)
    sealed.writer.skip(TOPIC, 0, sealed.log.control_record())
    sealed.seal()
    assert first.offset == 6
    return sealed


def test_an_honest_run_is_clean(run):
    assert findings(run) == {}
    totals = ledger.Ledger(run.connection).partitions()[TOPIC, 0, 0]
    assert [totals[name] for name in ledger.TOTALS] == [8, 1, 3, 1, 0]


def test_an_empty_run_is_clean(sealed):
    assert findings(sealed) == {}


# --- I1 complete -------------------------------------------------------------------------------------------------


def test_a_record_that_was_dropped_is_found(run):
    dropped = run.log.publish()
    run.writer._book(dropped.position, "accepted", dropped)
    found = findings(run)
    assert "accepted says 9, the ledger holds 8" in found["I1"]


def test_a_record_that_was_counted_as_a_duplicate_and_is_none_is_found(run):
    dropped = run.log.publish()
    run.writer._book(dropped.position, "duplicate", dropped)
    assert f"{TOPIC}/0/0/{dropped.offset} is missing" in findings(run)["I1"]


def test_a_record_that_was_skipped_is_found(run):
    dropped = run.log.publish()
    run.writer._book(dropped.position, "skipped", None)
    assert f"{TOPIC}/0/0/{dropped.offset} is missing" in findings(run)["I1"]


def test_a_refused_record_without_a_tombstone_is_found(run):
    dropped = run.log.publish(value=b"[")
    run.writer._book(dropped.position, "duplicate", dropped)
    assert "neither an event nor a tombstone" in findings(run)["I1"]


def test_a_conflicting_content_counted_as_a_duplicate_is_found(run):
    other = run.log.publish("escalation.created", event_id="the-same-id")
    run.writer._book(other.position, "duplicate", other)
    assert "its content differs" in findings(run)["I1"]


def test_the_later_of_two_duplicates_stored_is_found(run):
    early, late = run.log.publish(event_id="twice-the-same"), run.log.publish(event_id="twice-the-same")
    run.writer._book(early.position, "duplicate", early)
    run.writer.write([late])
    assert "duplicate of the later" in findings(run)["I1"]


def test_a_tail_that_was_not_read_is_found(run):
    run.log.publish()
    assert "next_offset is 13, the log ends at 14" in findings(run)["I1"]


def test_an_offset_committed_before_its_rows_is_found(run):
    run.tamper("UPDATE audit.partitions SET next_offset = next_offset + 1, accepted = accepted + 1 WHERE partition = 1")
    assert "I1" in findings(run)


def test_a_partition_that_nobody_read_is_found(run):
    run.tamper("DELETE FROM audit.partitions WHERE partition = 1")
    assert "I1" in findings(run)


def test_totals_that_do_not_add_up_are_found(run):
    run.tamper("ALTER TABLE audit.partitions DROP CONSTRAINT partitions_totals_check")
    run.tamper("UPDATE audit.partitions SET duplicate = duplicate + 1 WHERE partition = 0")
    assert "13 offsets read, 14 booked" in findings(run)["I1"]


@pytest.mark.parametrize("statement", ["DELETE FROM audit.quarantine WHERE reason = 'id_conflict'",
                                       "UPDATE audit.quarantine SET reason = 'schema' WHERE reason = 'id_conflict'",
                                       "UPDATE audit.quarantine SET tenant_id = 'beta' WHERE reason = 'id_conflict'",
                                       "UPDATE audit.quarantine SET kafka_offset = 1 WHERE reason = 'id_conflict'"])
def test_a_tombstone_and_a_quarantine_that_disagree_are_found(run, statement):
    run.tamper(statement)
    assert "I1" in findings(run)


def test_a_head_that_counts_wrongly_is_found(run):
    run.tamper("UPDATE audit.chain_heads SET events = events - 1 WHERE tenant_id = 'beta'")
    assert "tenant beta: the head counts 5 events" in findings(run)["I1"]


def test_a_last_offset_behind_the_last_record_is_found(run):
    run.tamper("UPDATE audit.partitions SET last_offset = 1 WHERE partition = 1")
    assert {"I1", "I10"} <= findings(run).keys()


def test_what_was_acknowledged_and_is_gone_is_found(run, tmp_path):
    path = tmp_path / "history.jsonl"
    kept = run.log.logs[TOPIC, 0].records[0]
    with HistoryWriter(path) as history:
        history.record(True, TOPIC, 0, 0, kept.key, kept.value)
        history.record(True, tenant="acme", event_id=decode(kept).row["event_id"])
        history.record(False, tenant="acme", event_id="never-arrived")
    assert findings(run, sent=read_history(path)) == {}
    for lost in ({"topic": TOPIC, "partition": 0, "offset": 99}, {"tenant": "acme", "event_id": "never-arrived"}):
        with HistoryWriter(tmp_path / f"{len(lost)}.jsonl") as history:
            history.record(True, **lost)
        assert "acknowledged and" in findings(run, sent=read_history(tmp_path / f"{len(lost)}.jsonl"))["I1"]
    with HistoryWriter(path) as history:
        history.record(True, TOPIC, 0, 0, kept.key, kept.value + b" ")
    assert "not the record that was acknowledged" in findings(run, sent=read_history(path))["I1"]


# --- I2 unique ---------------------------------------------------------------------------------------------------


def test_a_record_that_is_stored_twice_is_found(run):
    again = run.log.logs[TOPIC, 0].records[1]
    row = {**decode(again).row, "source_digest": run.writer._digest(run.keys.at(again.timestamp_ms * 1000), "acme", again)}
    run.connection.execute("SELECT audit.ensure_partition('2026-11-15')")
    run.writer.append_row("acme", again.timestamp_ms * 1000 + 40 * 86_400_000_000, row, "events")
    found = findings(run)
    assert "stored twice" in found["I2"]
    assert "I4" not in found, "the chain itself is whole"


def test_an_event_id_that_is_stored_twice_is_found(run):
    again = run.log.publish(event_id="the-same-id")
    late = replace(again, timestamp_ms=again.timestamp_ms + 40 * 86_400_000)
    run.log.logs[TOPIC, 0].records[again.offset] = late
    run.writer._append(late, "acme", decode(late).row, "events")
    run.writer._book(late.position, "accepted", late)
    assert "event id the-same-id is stored twice" in findings(run)["I2"]


# --- I3 ordered, I4 chained --------------------------------------------------------------------------------------


def test_two_records_that_were_swapped_are_found(run):
    first, second = run.log.publish(), run.log.publish()
    same_time = replace(second, timestamp_ms=first.timestamp_ms)
    run.log.logs[TOPIC, 0].records[second.offset] = same_time
    for record in (same_time, first):
        run.writer._append(record, "acme", decode(record).row, "events")
    for record in (first, same_time):
        run.writer._book(record.position, "accepted", record)
    assert f"comes after offset {second.offset}" in findings(run)["I3"]
    assert set(findings(run)) == {"I3"}


@pytest.mark.parametrize("statement", [
    "UPDATE audit.ledger SET model = 'other' WHERE family = 'llm_call'",
    "UPDATE audit.ledger SET user_email = 'x@y' WHERE family = 'llm_call'",
    "DELETE FROM audit.ledger WHERE tenant_id = 'beta' AND seq = 2",
    "DELETE FROM audit.ledger WHERE tenant_id = 'beta'",
    "UPDATE audit.chain_heads SET checksum = base_checksum",
    "ALTER TABLE audit.ledger ADD COLUMN extra text"])
def test_a_ledger_that_was_changed_is_found(run, statement):
    run.tamper(statement)
    assert "I4" in findings(run)


def test_a_head_reused_after_a_rollback_is_found(run):
    record = run.log.publish()
    stale = dict(run.writer._heads["acme"], checksum=bytes(64))
    run.writer._heads["acme"] = stale
    run.writer.write([record])
    assert "I4" in findings(run)


def test_a_key_that_the_keyring_lacks_is_found(run):
    run.keys._by_id.pop("2026q4")
    try:
        assert "lacks the key" in findings(run)["I4"]
    finally:
        run.keys._by_id["2026q4"] = run.keys.at(2**60)


# --- I5 atomic, I6 fenced ----------------------------------------------------------------------------------------


@pytest.fixture
def observed(database, run, tmp_path, keyring_text):
    """Looks at what is committed; returns the observations' file."""
    keyring, path = tmp_path / "keyring.yaml", tmp_path / "observations.jsonl"
    keyring.write_text(keyring_text)

    def look():
        run.connection.commit()
        observe(database, keyring, path)
        return path

    look()
    return look


def test_snapshots_of_an_honest_run_are_clean(run, observed):
    run.seal()
    assert findings(run, observations=observed()) == {}


def test_a_snapshot_between_offsets_and_rows_is_found_after_the_run(run, observed):
    record = run.log.publish()
    run.writer._book(record.position, "accepted", record)
    observed()
    run.writer._append(record, "acme", decode(record).row, "events")
    found = findings(run, observations=observed())
    assert "I1" in found["I5"] and set(found) == {"I5"}


@pytest.mark.parametrize("column", ["owner_epoch", "log_epoch"])
def test_an_epoch_that_fell_is_found(run, observed, column):
    run.tamper(f"UPDATE audit.partitions SET {column} = {column} + 5 WHERE partition = 1")
    observed()
    run.tamper(f"UPDATE audit.partitions SET {column} = {column} - 5 WHERE partition = 1")
    assert "I6" in findings(run, observations=observed())


def test_a_position_that_fell_is_found(run, observed):
    run.tamper("UPDATE audit.partitions SET next_offset = next_offset + 1, skipped = skipped + 1 WHERE partition = 1")
    observed()
    run.tamper("UPDATE audit.partitions SET next_offset = next_offset - 1, skipped = skipped - 1 WHERE partition = 1")
    assert "next_offset 6 after 7" in findings(run, observations=observed())["I6"]


# --- I10 faithful ------------------------------------------------------------------------------------------------


def seal_as(run, record, tenant="acme", counted="events", **changes):
    """Seals another row than the record's own, as a decoder with a fault would; the chain is whole."""
    row = {**decode(record).row, **changes}
    run.writer._append(record, tenant, row, counted)
    run.writer._book(record.position, "accepted", record)


@pytest.mark.parametrize("changes", [
    {"latency_ms": 813}, {"cost_usd": "0.00097"}, {"user_email": None}, {"policies_hit": "[]"}, {"detail": '{"ttft_ms": 95.0}'},
    {"event_time": 0}, {"client_ip": "192.0.2.8"}, {"input_summary": ""}, {"session_id": ""}, {"rules_version": 2},
    {"tool_error": False}])
def test_a_column_that_is_not_the_records_is_found(sealed, changes):
    seal_as(sealed, sealed.log.publish("llm_call.completed"), **changes)
    found = findings(sealed)
    assert set(found) == {"I10"} and next(iter(changes)) in found["I10"]


def test_an_event_in_another_tenants_chain_is_found(sealed):
    seal_as(sealed, sealed.log.publish(), tenant="beta")
    assert "tenant_id" in findings(sealed)["I10"]


def test_a_good_record_that_was_refused_is_found(run):
    record = run.log.publish()
    run.writer._write_tombstone(record, "acme", "schema")
    assert "nothing is wrong with it" in findings(run)["I10"]


def test_a_bad_record_that_was_stored_is_found(sealed):
    bad = sealed.log.publish(value=b"{")
    good = sealed.log.publish()
    assert isinstance(decode(good), Decoded)
    sealed.writer._append(bad, "acme", {**decode(good).row, "kafka_offset": 0}, "events")
    sealed.writer._book(bad.position, "accepted", bad)
    sealed.writer.write([replace(good, value=b"{")])
    assert "should be refused as invalid_json" in findings(sealed)["I10"]


def test_a_refusal_for_another_kind_of_reason_is_found(run):
    run.writer._write_tombstone(run.log.publish(value=b"{"), "acme", "unknown_type")
    assert "should be as invalid_json" in findings(run)["I10"]


def test_a_row_without_a_record_is_found(run):
    record = run.log.publish()
    run.writer.write([record])
    del run.log.logs[TOPIC, 0].records[record.offset]
    assert "a row without a record" in findings(run)["I10"]


def test_a_digest_of_other_content_is_found(run):
    record = run.log.publish()
    run.writer.write([record])
    run.log.logs[TOPIC, 0].records[record.offset] = replace(record, value=record.value + b" ")
    assert "source_digest" in findings(run)["I10"]


def test_a_row_erased_by_an_event_stays_faithful(run):
    nulls = ", ".join(f"{name} = NULL" for name in verify.PERSONAL_NAMES)
    run.tamper(f"UPDATE audit.ledger SET {nulls} WHERE tenant_id = 'acme' AND seq = 0")
    assert "I4" in findings(run) and "I10" not in findings(run)
    run.seal("admin.erase", data={"actor": {"type": "system", "id": "dpo"}, "status": "success",
                                  "resource": {"type": "ledger_rows"}, "erased_seqs": [[0, 0]]})
    assert findings(run) == {}


@pytest.mark.parametrize("tamper", [
    "UPDATE audit.usage_records SET output_tokens = output_tokens + 1", "UPDATE audit.api_keys SET status = 'revoked'",
    "DELETE FROM audit.api_keys WHERE tenant_id = 'beta'", "UPDATE audit.chain_heads SET late_events = 1 WHERE tenant_id = 'beta'"])
def test_a_read_model_that_is_not_derived_from_the_ledger_is_found(run, tamper):
    assert set(findings(run, tamper)) == {"I10 derived"}


# --- I7 no silent skip -------------------------------------------------------------------------------------------


def accept_loss(run, lost, event_id):
    """Partition 1 goes on behind its last record, in the next log."""
    end = run.log.logs[TOPIC, 1].end
    run.connection.execute("SELECT audit.accept_loss(%s, 1, 0, %s, %s, %s, 'the disk is gone', %s)",
                           (TOPIC, end, lost, end, event_id))


def seal_reset(run, lost, tenant="_sealstream"):
    return run.seal("admin.reset", tenant=tenant, event_id="the-reset", data={
        "actor": {"type": "user", "id": "ada"}, "status": "success", "rows": lost,
        "resource": {"type": "partition", "id": f"{TOPIC}/1"}})


def test_a_loss_that_an_event_says_is_clean(run, tmp_path):
    kept = run.log.logs[TOPIC, 1].records[0]
    accept_loss(run, 3, "the-reset")
    seal_reset(run, 3)
    with HistoryWriter(tmp_path / "history.jsonl") as history:
        history.record(True, TOPIC, 1, 0, kept.key, b"of the log that is gone")
        history.record(True, TOPIC, 1, 99, kept.key, b"lost with it")
    assert findings(run, sent=read_history(tmp_path / "history.jsonl")) == {}


@pytest.mark.parametrize("says", [{"lost": 2}, {"lost": 3, "tenant": "acme"}])
def test_a_loss_that_no_event_says_is_found(run, says):
    accept_loss(run, 3, "the-reset")
    assert "says None" in findings(run)["I7"]
    seal_reset(run, **says)
    assert set(findings(run)) == {"I7"}


def test_a_loss_in_a_log_that_is_open_is_found(run):
    run.tamper("UPDATE audit.partitions SET skipped = skipped - 1, lost = lost + 1 WHERE partition = 0")
    assert "nobody accepted" in findings(run)["I7"]


# --- I12 quiet ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [
    {"data": {**DATA["auth.login"], "error": {"message": f"used {SECRET} twice"}}},
    {"data": {**DATA["auth.login"], "new": {SECRET: 1}}},
    {"value": b"{" + SECRET.encode()}, {"key": b" " + SECRET.encode()}, {"headers": ((b"ce_id", SECRET.encode()),)},
    {"headers": ((SECRET.encode(), b"x"),)}])
def test_a_planted_secret_in_any_table_is_found(run, changes):
    run.seal(**changes)
    assert SECRET[:6] in findings(run, planted=[SECRET])["I12"]


def test_a_planted_secret_that_json_escapes_is_found(run):
    secret = 'sk-"quoted"\\0123456789'
    run.seal(data={**DATA["auth.login"], "new": secret})
    assert "personal_detail" in findings(run, planted=[secret])["I12"]


def test_a_planted_secret_in_a_log_is_found(run, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"msg": "all is well"}\n')
    assert findings(run, planted=[SECRET], quiet_files=[log]) == {}
    log.write_text(f'{{"msg": "refused {SECRET}"}}\n')
    assert "log.jsonl" in findings(run, planted=[SECRET], quiet_files=[log])["I12"]


def test_every_table_of_the_schema_is_searched(migrated, sealed):
    tables = {table for table, _, _ in ledger.Ledger(sealed.connection).stored_columns()}
    catalogue = psql(migrated, "-c", "SELECT format('audit.%I', relname) FROM pg_class WHERE relkind IN ('r', 'p') AND NOT"
                                     " relispartition AND relnamespace = 'audit'::regnamespace").split()
    assert tables == set(catalogue)
    assert isinstance(sealed, Sealed)
