"""Goal: a soak notices a process that takes too much or takes ever more, and judges often without judging most of the time.

Method: the pure parts of tests/soak, with readings that nobody took; and one reading of this very process.
"""

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from run_soak import verdicts  # noqa: E402
from vitals import Vitals, Ward, kMore, kMost, kRestLooks, kSettled, vitals  # noqa: E402

kCalm = Vitals(memory_mib=80, threads=11, descriptors=22)


def see(ward, now, pid=1, looks=kRestLooks):
    return [words for _ in range(looks) for words in ward.see(pid, now, now)]


def rests(ward, now):
    see(ward, now)
    return ward.rest()


def test_a_moment_beyond_a_limit_is_said():
    assert see(Ward(), kMost) == []
    assert see(Ward(), Vitals(257, 11, 22), looks=1) == ["memory_mib: 257, at most 256"]
    assert see(Ward(), Vitals(80, 33, 129), looks=1) == ["threads: 33, at most 32", "descriptors: 129, at most 128"]


def test_what_comes_and_goes_is_no_growth():
    ward = Ward()
    for _ in range(kSettled + 3):
        see(ward, Vitals(200, 20, 100), looks=kRestLooks - 1)
        see(ward, kCalm, looks=1)
        assert ward.rest() == []
    assert ward.peak == Vitals(200, 20, 100)


def test_what_grows_after_it_has_settled_is_said():
    ward = Ward()
    for descriptors in range(22, 22 + kSettled):
        assert rests(ward, Vitals(80, 11, descriptors)) == []
    level = 22 + kSettled - 1
    assert rests(ward, Vitals(200, 11 + kMore.threads, level + kMore.descriptors)) == []
    assert rests(ward, Vitals(80, 11, level + kMore.descriptors + 1)) == [f"descriptors: {level + 5}, at most {level + 4}"]
    assert rests(ward, Vitals(80, 13, 22)) == ["threads: 13, at most 12"]


def test_the_looks_at_a_process_that_ended_are_not_those_of_the_next_one():
    ward = Ward()
    for _ in range(kSettled):
        rests(ward, kCalm)
    see(ward, Vitals(80, 11, 60), pid=2, looks=1)
    assert ward.rest() == ["descriptors: 60, at most 26"]


def test_a_process_is_read_while_there_is_one():
    mine = vitals(os.getpid())
    assert mine.memory_mib > 1 and mine.threads >= 1
    with open(os.devnull):
        assert vitals(os.getpid()).descriptors == mine.descriptors + 1
    ended = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
    assert vitals(ended) is None, "a zombie takes nothing"
    os.waitpid(ended, 0)
    assert vitals(ended) is None


def test_verdicts_come_ever_more_rarely_and_at_the_end():
    assert list(verdicts(5)) == [5]
    assert list(verdicts(30)) == [10, 20, 30]
    assert list(verdicts(120)) == [10, 20, 40, 80, 120]
