"""What a change costs: the program of this tree and that of an earlier revision drain the same backlog in turn (A B A B).

    bench/run change_bench          (or: "$(tests/run --python)" bench/change_bench.py --before REVISION --events 300000)

The earlier revision is built as a release in build/before, with its own migrations. Both drain into databases of one server, with
the same settings; what each kind of the server's statements took is in statements.py's words.
"""

import argparse
import re
import subprocess

from events import kFewPeople, kManyPeople, lines, tenants
from figures import cell, finish, spread, table
from stage import Deployment, kRoot, kServerSettings, stage, Backlog
from statements import drained, kSettings, watched

kWorkloads = {"Nearly every event of another user or key": kManyPeople, "10 users and 3 keys a tenant": kFewPeople}
kReadModelsBegan = "1da462f"  # the last revision without read models


def build(revision):
    """The program of a revision, built as a release."""
    tree = kRoot / "build" / "before"
    subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=kRoot, capture_output=True)
    subprocess.run(["git", "worktree", "prune"], cwd=kRoot, check=True)
    subprocess.run(["git", "worktree", "add", "--detach", str(tree), revision], cwd=kRoot, check=True, capture_output=True)
    subprocess.run(["cmake", "--preset", "release"], cwd=tree, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", "--preset", "release", "--target", "sealstream"], cwd=tree, check=True, capture_output=True)
    return tree / "build" / "release" / "src" / "app" / "sealstream"


def program(path):
    """The deployments of a program, configured with the roles that it knows."""
    example = subprocess.run([str(path), "print-config", "--example"], capture_output=True, text=True, check=True).stdout
    known = tuple(role for role in Deployment.roles if re.search(rf"^  {role}:", example, re.MULTILINE))
    return type("Program", (Deployment,), {"binary": path, "roles": known})


def drain(backlog, session, deployments):
    deployed = backlog.empty_database(deployments)
    result = drained(backlog, deployed, session)
    deployed.close()
    return result


def side_by_side(backlog, session, programs, pairs):
    """What both programs make of the backlog, in turn."""
    runs = {name: [] for name in programs}
    for _ in range(pairs):
        for name, deployments in programs.items():
            runs[name].append(drain(backlog, session, deployments))
    micro = 1e6 / backlog.count
    result = {"ratio": spread([now["rows_per_s"] / then["rows_per_s"] for then, now in zip(runs["before"], runs["now"])])}
    for name, done in runs.items():
        result[name] = {"rows_per_s": spread([run["rows_per_s"] for run in done], 0),
                        **{key: spread([run[key + "_s"] * micro for run in done], 1)
                           for key in ("sealstream_cpu", "server_cpu", "broker_cpu", "other_cpu")},
                        "by_statement": {kind: spread([run["by_statement"][kind] * micro for run in done], 1)
                                         for kind in done[0]["by_statement"]}}
    return result


def measure(before, events, tenant_count, pairs):
    programs = {"before": program(build(before)), "now": Deployment}
    result = {"name": "change_bench", "revision": before, "events": events, "tenants": tenant_count, "pairs": pairs, "workloads": {}}
    with stage(kServerSettings | kSettings) as (postgres, kafka, directory), watched(postgres) as session:
        for workload, people in kWorkloads.items():
            backlog = Backlog(postgres, kafka, directory, events, tenant_count,
                              records=lines(events, tenants(tenant_count), people=people))
            result["workloads"][workload] = side_by_side(backlog, session, programs, pairs)
    return result


def text(result):
    yield from [f"## change_bench: {result['events']:,} events, {result['tenants']:,} tenants (Zipf 1), {result['pairs']} interleaved "
                f"pairs, against revision {result['revision']}", ""]
    for workload, measured in result["workloads"].items():
        before, now = measured["before"], measured["now"]
        yield from [f"{workload}: rows/s of this tree as a share of that revision's, pair by pair: **{cell(measured['ratio'])}**", ""]
        keys = {"rows/s": "rows_per_s", "Sealstream, CPU µs an event": "sealstream_cpu", "PostgreSQL, CPU µs an event": "server_cpu",
                "broker, CPU µs an event": "broker_cpu", "everything else, CPU µs an event": "other_cpu"}
        rows = [[title, before[key], now[key]] for title, key in keys.items()]
        rows += [[f"PostgreSQL, {kind}, CPU µs an event", before["by_statement"][kind], spent]
                 for kind, spent in now["by_statement"].items()]
        yield from [*table(["median (min to max)", "before", "now"], rows), ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default=kReadModelsBegan)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    finish(measure(arguments.before, arguments.events, arguments.tenants, arguments.pairs), text)


if __name__ == "__main__":
    main()
