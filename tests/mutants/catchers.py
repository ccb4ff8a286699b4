"""What notices a mutant. `says(mutant, servers)` runs it once and returns what it has to say; None: it found nothing wrong."""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(kRoot / "tests" / "e2e"), str(kRoot / "tests" / "crash")]

from deployment import Deployment  # noqa: E402

kBuild = kRoot / "build" / "sabotage"
kDeadline_s = 180


@dataclass(frozen=True)
class Servers:
    postgres: object
    kafka: object
    directory: Path

    def environment(self):
        """As `deploy/servers.py run` gives it to a command."""
        return {"SEALSTREAM_TEST_KAFKA": self.kafka.address, "SEALSTREAM_TEST_POSTGRES_HOST": self.postgres.host,
                "SEALSTREAM_TEST_POSTGRES_PORT": str(self.postgres.port),
                "SEALSTREAM_TEST_POSTGRES_SUPERUSER_URI": self.postgres.superuser_uri}


@dataclass(frozen=True)
class Program:
    """A test program of the build; pattern: how its output names what fails, which is the last that it names."""

    name: str
    arguments: tuple
    pattern: str

    def says(self, mutant, servers):
        done = subprocess.run([str(kBuild / "tests" / self.name), *self.arguments], capture_output=True, text=True,
                              timeout=kDeadline_s, env={**os.environ, **servers.environment(), "SEALSTREAM_MUTANT": mutant})
        if done.returncode == 0:
            return None
        named = re.findall(self.pattern, done.stdout, re.MULTILINE)
        return named[-1] if named else f"ended with {done.returncode}: {done.stdout[-400:]}{done.stderr[-400:]}"


def simulation(seeds):
    """On one core, so that the first failure is always the same."""
    return Program("simulate", ("--seeds", str(seeds), "--jobs", "1", "--first"), r"^seed \d+: (.*)")


def tests(folder, only):
    """They stop at the first failure, and at an assertion of the code."""
    return Program(f"{folder}_tests", (f"--gtest_filter={only}", "--gtest_break_on_failure"), r"^\[ RUN      \] (\S+)")


@dataclass(frozen=True)
class Checker:
    """The independent checker, after something has happened to a deployment of the built program."""

    scenario: object
    name = "checker"

    def says(self, mutant, servers):
        deployment = Deployment(servers.postgres, servers.kafka, Path(tempfile.mkdtemp(dir=servers.directory)))
        deployment.binary = kBuild / "src" / "app" / "sealstream"
        os.environ["SEALSTREAM_MUTANT"] = mutant
        try:
            self.scenario(deployment.migrate())
            deployment.check()
        except AssertionError as found:
            return str(found)
        finally:
            deployment.close()
        return None
