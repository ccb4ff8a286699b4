"""Goal: nobody can make a program that is released kill itself, or carry a bug.

Method: the words that order it, looked for in the release binary, and in the one that obeys them.
"""

from pathlib import Path

import pytest

kBuilds = Path(__file__).resolve().parents[2] / "build"


@pytest.mark.parametrize("build, contains", [("release", False), ("sabotage", True)])
def test_only_the_sabotage_build_contains_crash_points_and_mutants(build, contains):
    binary = (kBuilds / build / "src" / "app" / "sealstream").read_bytes()
    for word in (b"SEALSTREAM_CRASH_AT", b"SEALSTREAM_MUTANT", b"before_last_flush", b"offsets_after_the_commit"):
        assert (word in binary) == contains, word
