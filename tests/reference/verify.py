"""Verifies chains independently: reads the ledger from PostgreSQL, recomputes everything, says what is wrong.

    python tests/reference/verify.py --database URI [--tenant T] [--keyring FILE | --chain-only] [--json]

Verdicts, worst first: tampered (exit 1), incomplete (2), undecidable (3), intact (0). Without a keyring the chain
is verified and the personal values are not: that is undecidable, unless --chain-only says that it is enough.
Needs psycopg for the connection and nothing else beyond the standard library.
"""

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field

import chain
import jsontext
import keyring as keyring_file
import ledger

INTACT, TAMPERED, INCOMPLETE, UNDECIDABLE = "intact", "tampered", "incomplete", "undecidable"
EXIT_CODES = {INTACT: 0, TAMPERED: 1, INCOMPLETE: 2, UNDECIDABLE: 3}

PERSONAL_NAMES = [column.name for column in chain.REGISTRY if column.personal]


@dataclass(frozen=True)
class Fault:
    """What is wrong first. seq is None where it is no single row."""

    verdict: str
    tenant: str
    seq: int | None
    wrong: str  # checksum, gap, order, head, unknown column, personal value, counters, key
    detail: str


@dataclass
class ChainReport:
    tenant: str
    rows: int = 0
    fault: Fault | None = None
    personal: Counter = field(default_factory=Counter)  # opened, erased, unchecked, none
    checksum: bytes = chain.ZERO_CHECKSUM


def erased_ranges(rows):
    """[(from, to, seq of the erasure's event)] of the erasures among a tenant's rows; each proves only seqs before it."""
    ranges = []
    for row in rows:
        if (row["family"], row["action"], row["resource_type"]) == ("admin", "erase", "ledger_rows") and row["detail"]:
            for first, last in jsontext.parse(row["detail"]).get("erased_seqs") or []:
                ranges.append((int(first.text), min(int(last.text), row["seq"] - 1), row["seq"]))
    return ranges


def personal_state(tenant, row, keys, erasures):
    """opened, erased, unchecked or none; missing and mismatch are tampering."""
    personal = chain.personal_record(row)
    stored = row["personal_commitment"]
    if stored is None:
        return "mismatch" if personal else "none"
    if not personal:
        covered = any(first <= row["seq"] <= last for first, last, _ in erasures)
        return "erased" if covered else "missing"
    entry = keys.find(row["personal_key_id"]) if keys else None
    if entry is None:
        return "unchecked"
    tenant_key = chain.tenant_key(entry.key, tenant)
    return "opened" if chain.commitment(tenant_key, row["event_id"], personal) == stored else "mismatch"


def row_fault(report, row, recorded_before):
    """What is wrong with the next row of a chain, as (kind, detail, seq), or None; moves the report on to it."""
    expected = report.rows
    if row["seq"] > expected:
        return "gap", f"seq {expected} is missing", expected
    if row["seq"] < expected:
        return "order", "a sequence number twice", row["seq"]
    try:
        computed = chain.checksum(chain.row_record(report.tenant, expected, report.checksum, row))
    except (ValueError, TypeError, OverflowError) as error:
        return "checksum", f"the row has no record: {error}", expected
    if row["checksum"] != computed:
        return "checksum", "the row is not the one that was sealed", expected
    if row["prev_checksum"] != report.checksum:
        return "order", "prev_checksum is not the checksum before", expected
    if recorded_before is not None and row["recorded_at"] < recorded_before:
        return "order", "recorded_at falls", expected
    report.rows, report.checksum = expected + 1, computed
    return None


def head_fault(report, head, last):
    if head is None:
        return f"no head for {report.rows} rows" if report.rows else None
    if head["seq"] != report.rows - 1:
        return f"the head says {head['seq'] + 1} rows, there are {report.rows}"
    if head["checksum"] != report.checksum:
        return "the head's checksum is not the last row's"
    if last is not None and head["recorded_at"] != last["recorded_at"]:
        return "the head's recorded_at is not the last row's"
    return None


def verify_chain(tenant, rows, head, keys, erasures):
    """One tenant's rows by rising seq against its head. Stops at the first fault."""
    report, last = ChainReport(tenant), None
    for row in rows:
        wrong = row_fault(report, row, last["recorded_at"] if last else None)
        if wrong is None:
            state = personal_state(tenant, row, keys, erasures)
            report.personal[state] += 1
            if state in ("missing", "mismatch"):
                wrong = ("personal value", "erased without an event that says so" if state == "missing"
                         else "the personal columns are not the committed ones", row["seq"])
        if wrong:
            report.fault = Fault(TAMPERED, tenant, wrong[2], wrong[0], wrong[1])
            return report
        last = row
    detail = head_fault(report, head, last)
    if detail:
        report.fault = Fault(TAMPERED, tenant, report.rows, "head", detail)
    return report


def column_faults(catalogue):
    """Columns of the live table that the format does not know, and the other way round."""
    known = {column.name for column in chain.REGISTRY} | set(chain.HEADER_COLUMNS)
    faults = [Fault(TAMPERED, "", None, "unknown column", f"audit.ledger has a column {name} that nothing covers")
              for name in catalogue if name not in known]
    faults += [Fault(UNDECIDABLE, "", None, "unknown column", f"audit.ledger lacks the column {name}")
               for name in sorted(known - set(catalogue))]
    return faults


def counter_faults(partitions, counts):
    """counts: (topic, log_epoch, partition) → Counter of events and tombstones found in the ledger."""
    faults = []
    for key, totals in partitions.items():
        where = "{}/{}/{}".format(*key)
        read = totals["next_offset"] - totals["first_offset"]
        booked = sum(totals[name] for name in ("accepted", "duplicate", "quarantined", "skipped", "lost"))
        if read != booked:
            faults.append(Fault(INCOMPLETE, "", None, "counters", f"{where}: {read} offsets read, {booked} booked"))
        for name, found in (("accepted", counts[key]["events"]), ("quarantined", counts[key]["tombstones"])):
            if totals[name] != found:
                faults.append(Fault(INCOMPLETE, "", None, "counters",
                                    f"{where}: {name} says {totals[name]}, the ledger holds {found}"))
    faults += [Fault(INCOMPLETE, "", None, "counters", "{}/{}/{}: rows without a partition".format(*key))
               for key in counts if key not in partitions]
    return faults


@dataclass
class Report:
    verdict: str
    rows: int
    chains: list
    faults: list


def verify(database, keys=None, tenant=None, chain_only=False):
    """Everything in one snapshot. database: ledger.Ledger. Counters only where all tenants are read."""
    faults = column_faults(database.columns())
    reports = []
    if not faults:
        heads = database.heads()
        tenants = [tenant] if tenant else sorted(set(heads) | set(database.tenants()))
        for name in tenants:
            erasures = erased_ranges(database.rows(name, erasures_only=True))
            reports.append(verify_chain(name, database.rows(name), heads.get(name), keys, erasures))
        faults += [report.fault for report in reports if report.fault]
        if tenant is None:
            faults += counter_faults(database.partitions(), database.position_counts())
    faults += absence_faults(reports, chain_only)
    order = [TAMPERED, INCOMPLETE, UNDECIDABLE]
    faults.sort(key=lambda fault: order.index(fault.verdict))
    rows = sum(report.rows for report in reports)
    return Report(faults[0].verdict if faults else INTACT, rows, reports, faults)


def absence_faults(reports, chain_only):
    """What could not be checked at all is never intact."""
    faults = []
    if not any(report.rows or report.fault for report in reports):
        faults.append(Fault(UNDECIDABLE, "", None, "gap", "there is no row to verify"))
    unchecked = sum(report.personal["unchecked"] for report in reports)
    if unchecked and not chain_only:
        faults.append(Fault(UNDECIDABLE, "", None, "key", f"personal values of {unchecked} rows were not checked"))
    return faults


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, help="connection URI of a role that reads all tenants")
    parser.add_argument("--tenant")
    parser.add_argument("--keyring", help="opens the personal commitments")
    parser.add_argument("--chain-only", action="store_true", help="personal values need not be checked")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    keys = keyring_file.read_keyring(options.keyring) if options.keyring else None
    with ledger.open_ledger(options.database) as database:
        report = verify(database, keys, options.tenant, options.chain_only)
    personal = sum((chain_report.personal for chain_report in report.chains), Counter())
    if options.json:
        print(json.dumps({"verdict": report.verdict, "rows": report.rows, "chains": len(report.chains),
                          "personal": dict(personal), "faults": [asdict(fault) for fault in report.faults]}))
    else:
        print(f"{report.verdict}: {report.rows} rows in {len(report.chains)} chains; personal values: "
              + (", ".join(f"{count} {state}" for state, count in sorted(personal.items())) or "none"))
        for fault in report.faults[:20]:
            where = f"tenant {fault.tenant}, seq {fault.seq}: " if fault.tenant else ""
            print(f"  {fault.verdict}: {where}{fault.wrong}: {fault.detail}")
    return EXIT_CODES[report.verdict]


if __name__ == "__main__":
    sys.exit(main())
