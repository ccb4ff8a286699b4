"""Runs the fuzz targets, two at a time.

    tests/fuzz/run_fuzz.py [--seconds N] [--seed S] [TARGET…]

Each begins with the tests' own data (seeds.py) and with what earlier runs found worth keeping, in build/fuzz/corpus. An input
that breaks a property, a sanitizer's rule or a limit (10 s, 1 GiB) stays in build/fuzz/findings; its path is printed, and the
command that runs it again. Exit code 0: nothing was found.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from seeds import kRoot, seeds  # noqa: E402

kBuild = kRoot / "build" / "fuzz"
kPrograms = kBuild / "tests" / "fuzz"
kTargets = sorted(path.stem for path in Path(__file__).resolve().parent.glob("*.cc"))
kAtATime = 2
kReasons = ["does not hold", "what(): ", "runtime error", "ERROR: "]


def plant(target):
    """The folder of the target's corpus."""
    corpus = kBuild / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds(target):
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return corpus


def run(target, seconds, seed):
    """(inputs tried, what was found or None)."""
    findings = kBuild / "findings"
    findings.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(kPrograms / target), str(plant(target)), f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10",
         "-rss_limit_mb=1024", "-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={findings}/{target}-"],
        capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, cwd=kBuild)
    (kBuild / f"{target}.log").write_text(done.stderr)
    inputs = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    print(f"{target:10} {inputs[1] if inputs else '?':>10} inputs, {coverage(done.stderr)} edges", flush=True)
    found = None if done.returncode == 0 else f"{target}: {reason(done.stderr)}"
    if found:
        report(target, found, done.stderr)
    return int(inputs[1]) if inputs else 0, found


def coverage(log):
    found = re.findall(r"cov: (\d+)", log)
    return found[-1] if found else "?"


def reason(log):
    why = [line for line in log.splitlines() if any(word in line for word in kReasons)]
    return why[0].strip() if why else "no reason given, see its log"


def report(target, found, log):
    kept = re.search(r"Test unit written to (\S+)", log)
    print(f"{log[-4000:]}\n{found}")
    if kept:
        print(f"{target}: input {kept[1]}\n{target}: again by  {kPrograms / target} {kept[1]}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target; default 60")
    parser.add_argument("--seed", type=int, default=1, help="0: another each time; default 1, so that what is found is found again")
    parser.add_argument("targets", nargs="*", choices=[[], *kTargets], metavar="TARGET")
    options = parser.parse_args()
    targets = options.targets or kTargets
    with ThreadPoolExecutor(kAtATime) as pool:
        results = list(pool.map(lambda target: run(target, options.seconds, options.seed), targets))
    failed = [found for _, found in results if found]
    print(f"{sum(inputs for inputs, _ in results)} inputs for {len(targets)} targets, {options.seconds} s each: "
          + (f"{len(failed)} failed: {'; '.join(failed)}" if failed else "0 failed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
