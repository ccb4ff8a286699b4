"""Looks at a database while an ingester works on it: each look is one snapshot that must satisfy I1 to I4.

    python tests/reference/observe.py --database URI --keyring K --observations FILE

Appends one line to FILE: what did not hold, and where every partition stood. checker.py reads it for I5 and I6.
"""

import argparse
import json
import sys
from pathlib import Path

import keyring as keyring_file
import ledger
from scan import Findings, LedgerScan, check_counters


def observe(database_uri, keyring, path):
    """One look; returns the findings as texts. Cost: reads the whole ledger."""
    findings = Findings()
    with ledger.open_ledger(database_uri) as database:
        scan = LedgerScan(database, keyring_file.read_keyring(keyring), findings)
        scan.run()
        check_counters(database, scan, findings)
        partitions = [[topic, partition, epoch, totals["owner_epoch"], totals["next_offset"]]
                      for (topic, epoch, partition), totals in database.partitions().items() if not totals["closed"]]
    texts = [f"{finding.invariant}: {finding.counter_example}" for finding in findings.result()]
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps({"findings": texts, "partitions": partitions}) + "\n")
    return texts


def read_observations(path):
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True)
    parser.add_argument("--keyring", required=True)
    parser.add_argument("--observations", required=True)
    options = parser.parse_args()
    texts = observe(options.database, options.keyring, options.observations)
    print("\n".join(texts) if texts else "clean")
    return 1 if texts else 0


if __name__ == "__main__":
    sys.exit(main())
