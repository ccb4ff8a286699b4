"""Sealstream on this machine: a private PostgreSQL, a Kafka broker, sealstream between them, and sample events.

    deploy/quickstart                 install what is missing, build, start, publish, verify; again: only what is missing
    deploy/quickstart --status        where everything is; exit code 1 where something does not run
    deploy/quickstart --status --json {brokers, topic, database, metrics_url, config, pid}
    deploy/quickstart --down          stop; data and sample events stay
    deploy/quickstart --down --purge  stop and remove all data

Everything lies in .quickstart/, or in $SEALSTREAM_QUICKSTART_DIR; where the user postgres cannot reach that, PostgreSQL's
data lie elsewhere, and postgres/server.json names the place. The broker's jars lie in the cache directory. All of it
listens on loopback only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from local.sealed_stack import SealedStack, StepFailed
from local.process import StartFailed

kRoot = Path(__file__).resolve().parent.parent
kState = Path(os.environ.get("SEALSTREAM_QUICKSTART_DIR") or kRoot / ".quickstart").absolute()


@contextmanager
def step(title: str):
    """Says what is being done, and how long it took."""
    print(f"{title:<58}", end="", flush=True)
    begin = time.monotonic()
    yield
    print(f"{time.monotonic() - begin:6.1f} s", flush=True)


@contextmanager
def sole_user():
    """One quickstart at a time."""
    kState.mkdir(mode=0o711, exist_ok=True)  # the user postgres must pass
    with open(kState / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build() -> None:
    log = kRoot / "build" / "quickstart.log"
    log.parent.mkdir(exist_ok=True)
    for words in ("--preset release", "--build --preset release --target sealstream"):
        with open(log, "wb") as output:
            done = subprocess.run(["cmake", *words.split()], cwd=kRoot, stdin=subprocess.DEVNULL, stdout=output,
                                  stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise StepFailed("the build failed", log)


def up() -> int:
    stack = SealedStack(kRoot, kState)
    with step("Build (minutes, the first time)"):
        build()
    with step("PostgreSQL, roles, passwords"):
        stack.start_postgres()
    with step("Kafka broker (jars are fetched once), topic"):
        stack.start_kafka()
    with step("Migrations"):
        stack.migrate()
    with step("sealstream run"):
        stack.start_sealstream()
    with step(f"Publish {stack.sample_count:,} sample events with kcat"):
        stack.publish_samples()
    with step("Wait until every record is sealed"):
        stack.wait_until_sealed()
    print("Verify the chains", flush=True)
    stack.verify()
    print(where(stack))
    return 0


def where(stack: SealedStack) -> str:
    status = stack.status()
    return f"""
Kafka       {status['brokers']}, topic {status['topic']}
PostgreSQL  {status['database']}
metrics     {status['metrics_url']}
config      {status['config']}
log         {stack.log}

Publish one more event:

{stack.publish_line()}

See it sealed:

{stack.query_line()}

Look again: deploy/quickstart --status      Stop: deploy/quickstart --down [--purge]"""


def show_status(as_json: bool) -> int:
    stack = SealedStack(kRoot, kState)
    if not stack.exists():
        print("quickstart: nothing is set up here; run deploy/quickstart first", file=sys.stderr)
        return 1
    stopped = stack.stopped()
    if as_json:
        print(json.dumps(stack.status()))
    else:
        print(where(stack))
    if stopped:
        print(f"quickstart: not running: {', '.join(stopped)}; deploy/quickstart starts it again", file=sys.stderr)
    return 1 if stopped else 0


def down(purge: bool) -> int:
    stack = SealedStack(kRoot, kState)
    stack.stop()
    if purge:
        stack.remove()
        (kState / "lock").unlink()
        kState.rmdir()
    print("stopped" + (", all data removed" if purge else ""))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/quickstart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--json", action="store_true", help="with --status")
    parser.add_argument("--down", action="store_true")
    parser.add_argument("--purge", action="store_true", help="with --down")
    arguments = parser.parse_args()
    if arguments.json and not arguments.status or arguments.purge and not arguments.down:
        parser.error("--json goes with --status, --purge with --down")
    if arguments.status and arguments.down:
        parser.error("either --status or --down")
    try:
        if arguments.status:
            return show_status(arguments.json)
        if arguments.down and not kState.exists():
            print("nothing to stop")
            return 0
        with sole_user():
            return down(arguments.purge) if arguments.down else up()
    except (StepFailed, StartFailed) as failed:
        print(f"\nquickstart: {failed}", file=sys.stderr)
    except PermissionError as refused:
        print(f"\nquickstart: {refused}; was it set up by another user?", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
