"""A test here is a fault. @pytest.mark.fault("I1 I8", bound_s=5) says which invariants it strains and how long the deployment
may take to go on by itself once the fault has ended; the test measures that at least once. The run ends with a table."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

from recovery import Recovery  # noqa: E402

kMeasured = pytest.StashKey()


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(strains, bound_s): what the test is about, see conftest.py")
    config.stash[kMeasured] = []


@pytest.fixture
def recovery(request):
    mark = request.node.get_closest_marker("fault")
    measured = Recovery(mark.kwargs["bound_s"])
    yield measured
    assert measured.longest_s is not None, "the test measured no recovery"
    request.config.stash[kMeasured].append((request.node.name.removeprefix("test_"), mark.args[0], measured))


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash[kMeasured]
    if not rows:
        return
    terminalreporter.section("faults: what each strains, and how long recovery took")
    width = max(len(name) for name, _, _ in rows)
    terminalreporter.write_line(f"{'fault':{width}}  {'strains':18}  recovery s  bound s")
    for name, strains, measured in rows:
        terminalreporter.write_line(f"{name:{width}}  {strains:18}  {measured.longest_s:10.1f}  {measured.bound_s:7}")
