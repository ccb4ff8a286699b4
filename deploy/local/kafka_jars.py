"""The broker's jars: fetched once with Maven, kept outside the source tree, compared with deploy/kafka/jars.sha256."""

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
def ready() -> Path:
    """The folder with the jars, each compared with its sum; fetched where it is not there. Offline from then on."""
    jars = cache_directory() / f"kafka-{kVersion}"
    jars.parent.mkdir(parents=True, exist_ok=True)
    with open(jars.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not jars.exists():
            _fetch(jars)
        wrong = _differences(jars)
        if wrong:
            raise StartFailed(f"{jars} differs from deploy/kafka/jars.sha256 ({', '.join(wrong[:3])}); remove it, then try again")
    return jars


def _fetch(jars: Path) -> None:
    """Nothing appears under the final name before every sum was compared."""
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetch-") as scratch:
        fetched = Path(scratch) / "jars"
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(kSources / "pom.xml"), f"-Dmaven.repo.local={scratch}/maven",
                   "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
                   f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        environment = {**os.environ, "MAVEN_OPTS": f"-XX:-UsePerfData {os.environ.get('MAVEN_OPTS', '')}"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=scratch, env=environment)
        if done.returncode != 0:
            raise StartFailed(f"Maven could not fetch Kafka's jars\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        wrong = _differences(fetched)
        if wrong:
            raise StartFailed(f"fetched jars differ from deploy/kafka/jars.sha256: {', '.join(wrong)}")
        shutil.move(fetched, jars)


def _differences(folder: Path) -> list[str]:
    """The names that are missing, unlisted or have another sum."""
    listed = dict(reversed(line.split()) for line in (kSources / "jars.sha256").read_text().splitlines())
    present = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    return sorted(name for name in listed.keys() | present.keys() if listed.get(name) != present.get(name))
