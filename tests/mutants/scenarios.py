"""What happens to a deployment before the independent checker judges it: each brings a mutant of an adapter to light."""

import psycopg
from producers import Producer, Transactions
from server_points import ServerPoints
from topics import Topic

kTenants = [f"tenant-{number}" for number in range(20)]


def aborted_transactions(deployment):
    deployment.ingester()
    transactions = Transactions(deployment)
    for commit in (True, False, True):
        transactions.run(kTenants, commit)
    deployment.wait_sealed(sum(Topic(deployment).ends()))


def backend_ended_after_the_offsets(deployment):
    """Its transaction has written everything, and is not committed."""
    with psycopg.connect(deployment.uri_for_checker(), autocommit=True) as session:
        points = ServerPoints(session)
        deployment.ingester()
        points.arm("after_offsets", 2, 0)
        with Producer(deployment) as producer:
            while not points.reached("after_offsets"):
                producer.send_events(20, kTenants).flush()
    deployment.wait_sealed(sum(Topic(deployment).ends()))
