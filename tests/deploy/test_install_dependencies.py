"""Goal: installing asks nobody for anything when nothing is missing, and refuses what it does not know.

Method: run the script with an apt-get in its way that notes every call.
"""

import os
import subprocess
from pathlib import Path

import pytest

kScript = Path(__file__).resolve().parents[2] / "deploy" / "install-dependencies"


@pytest.fixture
def install(tmp_path):
    calls = tmp_path / "calls"
    for name in ("apt-get", "sudo"):
        fake = tmp_path / name
        fake.write_text(f'#!/bin/sh\necho "{name} $*" >>"{calls}"\nexit 1\n')
        fake.chmod(0o755)

    def run(*sections):
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = subprocess.run([str(kScript), *sections], env=environment, capture_output=True, text=True)
        return done, calls.read_text() if calls.exists() else ""

    return run


def test_nothing_is_asked_for_when_nothing_is_missing(install):
    done, calls = install("runtime", "build", "servers", "tests")
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", "")


@pytest.mark.parametrize("sections", [[], ["runtme"], ["runtime", "all"]])
def test_an_unknown_section_is_refused_with_those_there_are(install, sections):
    done, calls = install(*sections)
    assert done.returncode == 1 and calls == ""
    assert "runtime build servers tests" in done.stderr
