"""Goal: the fault matrix of tests/RELIABILITY.md is that of the tests.

Method: compare the names in its table with those of the tests in tests/e2e/faults that measure a recovery.
"""

import re
from pathlib import Path

kTests = Path(__file__).resolve().parents[1]
kMeasures = re.compile(r"^def test_(\w+)\([^)]*\brecovery\b", re.MULTILINE)


def test_every_fault_is_in_the_table_and_nothing_else():
    measured = {name for file in (kTests / "e2e" / "faults").glob("test_*.py") for name in kMeasures.findall(file.read_text())}
    section = (kTests / "RELIABILITY.md").read_text().partition("## Fault matrix\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| [^|]+ \| `(\w+)`", section, re.MULTILINE)
    assert sorted(listed) == sorted(measured)
