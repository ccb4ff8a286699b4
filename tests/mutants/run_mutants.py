"""Lets each seeded bug live once, beside what must notice it, and prints what noticed it and what it said.

    tests/mutants/run_mutants.py [MUTANT…]

A mutant is mutant("name") in the code, or in the simulated database; it lives in the build `sabotage` alone, where the
environment names it (src/ingest/sabotage.h). Each catcher first runs without one, and must find nothing. Exit code 0: every
mutant was caught, and what was said is what must break where it lives.
"""

import argparse
import re
import sys
import time
from dataclasses import dataclass

from catchers import Checker, Servers, simulation, tests
from own_servers import own_servers
from scenarios import aborted_transactions, backend_ended_after_the_offsets


@dataclass(frozen=True)
class Mutant:
    name: str
    catcher: object
    breaks: str  # how what the catcher says begins: an invariant, or the test that claims what does not hold any more


histories = simulation(500)
kMutants = [
    # in the simulated database: does the judge of the simulation notice?
    Mutant("offsets_before_rows", histories, "I1:"),
    Mutant("rows_before_offsets", histories, "I(2|5|8|11):"),
    Mutant("no_fence", histories, "I(1|8|11):"),
    Mutant("no_head_check", histories, "I(3|4):"),
    Mutant("no_unique_ids", histories, "I2:"),
    Mutant("row_count_read_after_commit", histories, "I(2|3|4):"),
    Mutant("next_offset_off_by_one", histories, "I(1|8):"),
    Mutant("two_records_swapped", histories, "I3:"),
    # in the pipeline
    Mutant("head_reused_after_rollback", histories, "I8:"),
    Mutant("not_claimed_after_a_fence", histories, "I8:"),
    Mutant("neighbours_dropped", histories, "I(1|11):"),
    Mutant("conflict_taken_for_duplicate", histories, "I1:"),
    Mutant("log_not_compared", histories, "I7:"),
    Mutant("witness_not_asked", histories, "I7:"),
    Mutant("another_log_not_kept", histories, "I7:"),
    Mutant("cut_believed_at_once", histories, "I8:"),
    Mutant("anchor_not_met_again", tests("ingest", "LaneOfACutLogTest.*"), "LaneOfACutLogTest.IsHalted"),
    Mutant("batch_dropped_on_revoke", tests("ingest", "LaneTest.*"), "LaneTest.CloseCommitsWhatIsInHandFirst"),
    # in the adapters
    Mutant("in_doubt_taken_for_aborted", tests("postgres", "LedgerInDoubtTest.*"), "LedgerInDoubtTest.ACommit"),
    Mutant("queue_not_forwarded_again", tests("kafka", "ConsumerGroup.TakesAnEmpty*"), "ConsumerGroup.TakesAnEmpty"),
    Mutant("auto_reset", tests("kafka", "ConsumerSeek.BeforeTheBeginning*"), "ConsumerSeek.BeforeTheBeginning"),
    Mutant("uncommitted_read", Checker(aborted_transactions), "I10"),
    Mutant("offsets_after_the_commit", Checker(backend_ended_after_the_offsets), "I1"),
]


def report(name, catcher, mutant, servers):
    """Runs the catcher, prints a line, and returns what it said."""
    begin = time.monotonic()
    said = catcher.says(mutant, servers)
    print(f"{name:<30}{catcher.name:<16}{time.monotonic() - begin:>6.1f} s  {said.splitlines()[0][:110] if said else '-'}",
          flush=True)
    return said


def run(mutants, servers):
    """The mutants that were not caught, and catchers that cannot be trusted."""
    print(f"{'mutant':<30}{'what ran':<16}{'for':>8}  what it said", flush=True)
    wrong = [f"{catcher.name} without a mutant" for catcher in dict.fromkeys(mutant.catcher for mutant in mutants)
             if report("(none)", catcher, "", servers)]
    for mutant in mutants:
        said = report(mutant.name, mutant.catcher, mutant.name, servers)
        if not (said and re.match(mutant.breaks, said)):
            wrong.append(f"{mutant.name}, which breaks {mutant.breaks}: {said}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mutants", nargs="*", metavar="MUTANT", help="all of them without one")
    names = parser.parse_args().mutants
    begin = time.monotonic()
    mutants = [mutant for mutant in kMutants if not names or mutant.name in names]
    with own_servers("mutants") as servers:
        wrong = run(mutants, Servers(*servers))
    for line in wrong:
        print(f"NOT CAUGHT: {line}")
    print(f"{len(mutants)} mutants in {time.monotonic() - begin:.0f} s, {len(wrong)} not caught")
    return 1 if wrong or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
