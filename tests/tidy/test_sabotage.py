"""Goal: every crash point and every mutant in the code is used by its tier, and explained in tests/RELIABILITY.md.

Method: read their names where they are called, and look for them there.
"""

import re
from pathlib import Path

import pytest

kRoot = Path(__file__).resolve().parents[2]


def names(function):
    sources = [path for folder in ("src", "tests/simulation") for path in (kRoot / folder).rglob("*.cc")]
    return {name for path in sources for name in re.findall(rf'\b{function}\("(\w+)"\)', path.read_text())}


@pytest.mark.parametrize("function, users", [("crash_point", "tests/crash/crashes.py"), ("mutant", "tests/mutants/run_mutants.py")])
def test_every_name_is_used_by_its_tier_and_explained(function, users):
    found = names(function)
    assert found
    assert found - set(re.findall(r'"(\w+)"', (kRoot / users).read_text())) == set()
    assert found - set(re.findall(r"`(\w+)`", (kRoot / "tests" / "RELIABILITY.md").read_text())) == set()
