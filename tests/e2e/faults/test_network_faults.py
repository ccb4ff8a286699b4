"""Goal: whatever the network does between the ingester and PostgreSQL, and at whatever moment of a commit, no offset moves
without its rows, and the ingester goes on by itself within 5 s.

Method: a proxy of ours in between, under a producer that never stops; the independent checker judges at the end.
"""

import pytest
from producers import ContinuousProducer
from proxy import Proxy
from recovery import judge, wait_for_more
from trouble import cut_at_commit, network_silent, network_slow

pytestmark = pytest.mark.fault("I1 I2 I8", bound_s=5)
kTenants = [f"tenant-{number:03d}" for number in range(60)]
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
        cut_at_commit(proxy, moment)
        recovery.measure(deployment, producer)
    assert ingester.metric("sealstream_db_in_doubt_total", resolution=resolution) > 0
    finish(deployment, producer)


def test_connections_cut_at_any_moment(deployment, producer, proxy, recovery):
    for _ in range(kCuts):
        wait_for_more(deployment, 100, "before the next cut")
        proxy.cut()
        recovery.measure(deployment, producer)
    finish(deployment, producer)


@pytest.mark.parametrize("side", ["client", "server"])
def test_connections_half_closed(deployment, producer, proxy, recovery, side):
    """One side hears that the other has sent its last, and the other does not know."""
    for _ in range(kCuts):
        wait_for_more(deployment, 100, "before the next half-close")
        proxy.half_close(side)
        recovery.measure(deployment, producer)
    finish(deployment, producer)


def test_connections_that_are_slow(deployment, producer, proxy, recovery):
    network_slow(proxy, deployment)
    recovery.measure(deployment, producer)
    finish(deployment, producer)


def test_connections_that_swallow_everything(deployment, ingester, producer, proxy, recovery):
    network_silent(proxy, ingester)
    recovery.measure(deployment, producer)
    finish(deployment, producer)
