"""The independent checker: which of the invariants I1 to I7, I10 and I12 does not hold, with a first counter-example.

    python tests/reference/checker.py --history H --brokers B --topic T --database URI --keyring K
        [--observations FILE] [--planted FILE] [--quiet-file FILE …] [--json]

It reads the producer's history (history.py), all of Kafka's log and one snapshot of PostgreSQL, and shares no code
with the ingester. Run it when the faults have ended and the lag is 0. `--database` reads every table of the schema
audit, so it needs a superuser. `--observations` holds what observe.py saw during the run (I5, I6). `--planted` names a
file with one secret a line that must be found nowhere: in no table, and in none of the quiet files (logs, scraped
metrics). Exit code 0: all hold; 1: something does not; 2: it could not be checked.

I1 complete   every offset below next_offset is accounted for, once; nothing acknowledged is missing; nothing is unread
I2 unique     a position once, a (tenant, event id) once
I3 ordered    inside a tenant and partition seq rises with the offset
I4 chained    seq dense from 0, every checksum recomputed, heads are last rows, personal commitments open
I5 atomic     every snapshot taken during the run satisfied I1 to I4
I6 fenced     owner epochs and positions never fell
I7 no skip    a log was closed, and records were booked as lost, only as an event in the chain says
I10 faithful  what is stored is what was produced, column by column
I10 derived   usage_records, api_keys and api_key_anomalies are what the reference derives from the ledger's rows
I12 quiet     planted secrets are nowhere
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path

import keyring as keyring_file
import ledger
from history import read_history
from log_check import LogCheck
from observe import read_observations
from read_model_tables import Derivation, compare_read_models, thresholds
from scan import Findings, LedgerScan, check_counters


OUR_RESET = ("_sealstream", "admin", "reset", "partition")


def with_log_epochs(logs, partitions):
    """The log's records under the log_epoch that its partition has now."""
    epochs = {(topic, partition): epoch for (topic, epoch, partition), totals in partitions.items() if not totals["closed"]}
    for key, log in logs.items():
        epoch = epochs.get(key, 0)
        if epoch:
            log.records = {offset: replace(record, log_epoch=epoch) for offset, record in log.records.items()}
    return epochs


def check_history(sent, logs, partitions, scan, findings):
    """Everything acknowledged is in Kafka as sent (the rest follows from the log), or else in the ledger (I1)."""
    closed = defaultdict(list)
    for key, totals in partitions.items():
        if totals["closed"]:
            closed[key[0], key[2]].append((key, totals))
    for entry in sent:
        if not entry.acked:
            continue
        if entry.position is None:
            if (entry.tenant, entry.event_id) not in scan.events:
                findings.add("I1", f"acknowledged and missing: tenant {entry.tenant}, event {entry.event_id}")
            continue
        topic, partition, offset = entry.position
        log = logs.get((topic, partition))
        record = log.records.get(offset) if log else None
        if any(stood_in(key, totals, offset, scan) for key, totals in closed[topic, partition]):
            continue
        if record is None:
            if log is None or offset >= log.start:
                findings.add("I1", f"acknowledged and not in Kafka: {topic}/{partition}/{offset}")
        elif entry.content is not None and entry.content != (record.key, record.value):
            findings.add("I1", f"{topic}/{partition}/{offset} in Kafka is not the record that was acknowledged")


def stood_in(key, totals, offset, scan):
    """Whether a closed log may have held the record: it is stored from there, or an operator accepted that it is lost."""
    return (*key, offset) in scan.by_position or offset >= totals["next_offset"] - totals["lost"]


def check_acceptances(database, partitions, resets, findings):
    """I7: what is said in the chain, {event id: (topic/partition, records)}, is what was closed and booked as lost."""
    for topic, epoch, partition, event_id, lost in database.closed_logs():
        if resets.get(event_id) != (f"{topic}/{partition}", lost):
            findings.add("I7", f"{topic}/{partition}: log epoch {epoch} was closed with {lost} records lost, and event {event_id}"
                               f" says {resets.get(event_id)}")
    for (topic, _, partition), totals in partitions.items():
        if totals["lost"] and not totals["closed"]:
            findings.add("I7", f"{topic}/{partition}: {totals['lost']} records are lost, and nobody accepted that")


def check_observations(path, partitions, findings):
    """What was seen during the run (I5, I6), ending with what is seen now."""
    seen = {}
    last = [[topic, partition, epoch, totals["owner_epoch"], totals["next_offset"]]
            for (topic, epoch, partition), totals in partitions.items() if not totals["closed"]]
    for observation in read_observations(path) + [{"findings": [], "partitions": last}]:
        for text in observation["findings"]:
            findings.add("I5", text)
        for topic, partition, log_epoch, owner_epoch, next_offset in observation["partitions"]:
            before = seen.get((topic, partition), (0, 0, 0))
            if owner_epoch < before[1] or log_epoch < before[0]:
                findings.add("I6", f"{topic}/{partition}: epoch {owner_epoch} of log {log_epoch} after epoch {before[1]} of"
                                   f" log {before[0]}")
            elif log_epoch == before[0] and next_offset < before[2]:
                findings.add("I6", f"{topic}/{partition}: next_offset {next_offset} after {before[2]}")
            seen[topic, partition] = (log_epoch, owner_epoch, next_offset)


def spellings(secret):
    """A secret as it is, and as JSON would escape it."""
    return sorted({secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]})


def check_quiet(database, planted, files, findings):
    """I12: no planted secret in any column of any table of the schema audit, nor in any of the files."""
    columns = database.stored_columns() if planted else []
    for number, secret in enumerate(planted):
        for needle in spellings(secret):
            for table, column, column_type in columns:
                if database.column_holds(table, column, column_type, needle):
                    findings.add("I12", f"planted secret {number} ({secret[:6]}…) stands in {table}.{column}")
            for path in files:
                if needle.encode("utf-8") in Path(path).read_bytes():
                    findings.add("I12", f"planted secret {number} ({secret[:6]}…) stands in {path}")


def check(database, keys, logs, sent=(), observations=None, planted=(), quiet_files=()):
    """All invariants over one snapshot (ledger.Ledger) and a log (kafka_log.read_log); the list of Findings."""
    findings = Findings()
    partitions = database.partitions()
    epochs = with_log_epochs(logs, partitions)
    log_check = LogCheck(logs, keys, findings)
    derivation = Derivation(thresholds(database))
    resets = {}

    def visit(row, position, recorded_before):
        log_check.visit(row, position, recorded_before)
        derivation.add(row)
        if (row["tenant_id"], row["family"], row["action"], row["resource_type"]) == OUR_RESET:
            resets[row["event_id"]] = (row["resource_id"], json.loads(row["detail"])["rows"])

    scan = LedgerScan(database, keys, findings, visit)
    scan.run()
    for difference in compare_read_models(database, *derivation.finished()):
        findings.add("I10 derived", difference)
    check_counters(database, scan, findings)
    log_check.check_offsets(scan, partitions, epochs)
    check_history(sent, logs, partitions, scan, findings)
    check_acceptances(database, partitions, resets, findings)
    if observations is not None:
        check_observations(observations, partitions, findings)
    check_quiet(database, planted, quiet_files, findings)
    return findings.result()


def check_run(history, brokers, topics, database_uri, keyring, observations=None, planted=(), quiet_files=()):
    """The same from file names and addresses: what an end-to-end test calls last, and asserts to be []."""
    from kafka_log import read_log

    with ledger.open_ledger(database_uri) as database:
        return check(database, keyring_file.read_keyring(keyring), read_log(brokers, topics),
                     read_history(history) if history else (), observations, planted, quiet_files)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", help="the producer's history; without it only Kafka says what was produced")
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True, action="append")
    parser.add_argument("--database", required=True)
    parser.add_argument("--keyring", required=True)
    parser.add_argument("--observations")
    parser.add_argument("--planted")
    parser.add_argument("--quiet-file", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    planted = Path(options.planted).read_text(encoding="utf-8").split() if options.planted else []
    try:
        findings = check_run(options.history, options.brokers, options.topic, options.database, options.keyring,
                             options.observations, planted, options.quiet_file)
    except Exception as error:
        print(f"checker: could not check: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.invariant} does not hold ({finding.count}×): {finding.counter_example}")
        print("clean" if not findings else f"{len(findings)} invariants do not hold")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
