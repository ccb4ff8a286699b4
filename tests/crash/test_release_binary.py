"""Goal: nobody can make a program that is released kill itself.

Method: the word that orders it, looked for in the release binary, and in the one that has it.
"""

from pathlib import Path

import pytest

kBuilds = Path(__file__).resolve().parents[2] / "build"


@pytest.mark.parametrize("build, contains", [("release", False), ("sabotage", True)])
def test_only_the_sabotage_build_contains_crash_points(build, contains):
    binary = (kBuilds / build / "src" / "app" / "sealstream").read_bytes()
    assert (b"SEALSTREAM_CRASH_AT" in binary) == contains
    assert (b"before_last_flush" in binary) == contains
