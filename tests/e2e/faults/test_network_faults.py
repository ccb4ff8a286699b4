"""Goal: whatever the network does between the ingester and PostgreSQL, and at whatever moment of a commit, no offset moves
without its rows, and the ingester goes on by itself within 5 s.

Method: a proxy of ours in between, under a producer that never stops; the independent checker judges at the end.
"""

import pytest
from deployment import wait_until
from producers import ContinuousProducer
from proxy import Proxy
from recovery import judge, wait_for_more

pytestmark = pytest.mark.fault("I1 I2 I8", bound_s=5)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
kSoon_s = 60
kCuts = 5


@pytest.fixture
def proxy(postgres):
    with Proxy(postgres.host, postgres.port) as between:
        yield between


@pytest.fixture
def ingester(deployment, proxy):
    return deployment.ingester(postgres={"port": proxy.port})


@pytest.fixture
def producer(deployment, ingester):
    with ContinuousProducer(deployment, kTenants, rate_per_s=600) as sends:
        wait_for_more(deployment, 300, "before anything happens")
        yield sends


def finish(deployment, producer):
    producer.end()
    judge(deployment, producer)


@pytest.mark.parametrize("moment, resolution", [("before", "not_committed"), ("after", "committed")])
def test_connection_cut_at_a_commit(deployment, ingester, producer, proxy, recovery, moment, resolution):
    """Before it reaches the server; after it did, and before its answer comes back."""
    for _ in range(kCuts):
        wait_for_more(deployment, 100, "before the next cut")
        proxy.cut_at_commit = moment
        wait_until(lambda: proxy.cut_at_commit is None, kSoon_s, "a commit to cut")
        recovery.measure(deployment, producer.sent + 1)
    assert ingester.metric("sealstream_db_in_doubt_total", resolution=resolution) > 0
    finish(deployment, producer)


def test_connections_cut_at_any_moment(deployment, producer, proxy, recovery):
    for _ in range(kCuts):
        wait_for_more(deployment, 100, "before the next cut")
        proxy.cut()
        recovery.measure(deployment, producer.sent + 1)
    finish(deployment, producer)


@pytest.mark.parametrize("side", ["client", "server"])
def test_connections_half_closed(deployment, producer, proxy, recovery, side):
    """One side hears that the other has sent its last, and the other does not know."""
    for _ in range(kCuts):
        wait_for_more(deployment, 100, "before the next half-close")
        proxy.half_close(side)
        recovery.measure(deployment, producer.sent + 1)
    finish(deployment, producer)


def test_connections_that_are_slow(deployment, producer, proxy, recovery):
    proxy.delay_s = 0.1
    wait_for_more(deployment, 1_000, "over a slow network")
    proxy.delay_s = 0.0
    recovery.measure(deployment, producer.sent + 1)
    finish(deployment, producer)


def test_connections_that_swallow_everything(deployment, ingester, producer, proxy, recovery):
    """Until the network ends them; the ingester is not ready meanwhile, and alive."""
    proxy.swallows = True
    ingester.wait(lambda: "database" in ingester.failing_checks(), kSoon_s, "to say that the database does not answer")
    assert ingester.get("/livez")[0] == 200
    proxy.swallows = False
    proxy.cut()
    recovery.measure(deployment, producer.sent + 1)
    finish(deployment, producer)
