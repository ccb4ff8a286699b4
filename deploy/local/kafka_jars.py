"""The broker's jars, and others that a pom.xml asks for: fetched once with Maven, kept outside the source tree, compared with
jars.sha256 beside that pom.xml."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .process import StartFailed

kSources = Path(__file__).resolve().parent.parent / "kafka"
kVersion = "4.3.0"


def cache_directory() -> Path:
    """Where the project keeps what it fetched: the only place it writes to outside its own tree."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "sealstream"


@functools.cache
def ready(name: str = f"kafka-{kVersion}", sources: Path = kSources) -> Path:
    """The folder of that name with the jars, each compared with its sum; fetched where it is not there. Offline from then on.

    sources: where pom.xml and jars.sha256 lie.
    """
    jars = cache_directory() / name
    jars.parent.mkdir(parents=True, exist_ok=True)
    with open(jars.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            _fetch(jars, sources)
        wrong = _differences(jars, sources)
        if wrong:
            raise StartFailed(f"{jars} differs from {sources / 'jars.sha256'} ({', '.join(wrong[:3])}); remove it, then try again")
    return jars


def _fetch(jars: Path, sources: Path) -> None:
    """Nothing appears under the final name before every sum was compared."""
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetch-") as scratch:
        fetched = Path(scratch) / "jars"
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(sources / "pom.xml"), f"-Dmaven.repo.local={scratch}/maven",
                   "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                   f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        environment = {**os.environ, "MAVEN_OPTS": f"-XX:-UsePerfData {os.environ.get('MAVEN_OPTS', '')}"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=scratch, env=environment)
        if done.returncode != 0:
            raise StartFailed(f"Maven could not fetch what {sources / 'pom.xml'} asks for\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        wrong = _differences(fetched, sources)
        if wrong:
            raise StartFailed(f"fetched jars differ from {sources / 'jars.sha256'}: {', '.join(wrong)}")
        shutil.move(fetched, jars)


def _differences(folder: Path, sources: Path) -> list[str]:
    """The names that are missing, unlisted or have another sum."""
    listed = dict(reversed(line.split()) for line in (sources / "jars.sha256").read_text().splitlines())
    present = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    return sorted(name for name in listed.keys() | present.keys() if listed.get(name) != present.get(name))
