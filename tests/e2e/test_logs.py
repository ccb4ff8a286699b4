"""Goal: a log that is not what it was, lost records, or carries its producers' clocks halts its own partition with an alarm,
and never resets or skips in silence; its neighbours go on.

Method: topics are altered, cut and made again through Kafka's own admin interface, beside and under the built program.
"""

from datetime import datetime, timedelta, timezone

import pytest
from deployment import wait_until
from producers import Producer, Transactions, event
from topics import Topic

kSoon_s = 60


@pytest.fixture
def topic(deployment):
    return Topic(deployment)


def send(deployment, counts):
    """counts: partition -> records."""
    with Producer(deployment) as producer:
        for partition, count in counts.items():
            for number in range(count):
                producer.send(f"tenant-{partition}", event(f"tenant-{partition}", number), partition=partition)
        producer.flush()


def stop(ingester):
    ingester.signal(15)
    assert ingester.wait_end() == 0


def next_offset(deployment, partition):
    return deployment.ask("SELECT next_offset FROM audit.partitions WHERE partition = %s", partition)[0][0]


def wait_halted(ingester, cause, partitions):
    ingester.wait(lambda: ingester.metric("sealstream_halted_partitions", cause=cause) == partitions, kSoon_s,
                  f"to halt {partitions} partitions for {cause}")
    alarms = [line for line in ingester.log_events() if line["event"] == "partition_halted" and line["error_code"] == cause]
    assert len({line["partition"] for line in alarms}) == partitions
    assert all(line["level"] == "error" and len(line["msg"]) > 40 for line in alarms)
    return {line["partition"]: line["msg"] for line in alarms}


def halted_partitions(ingester):
    return {partition["partition"] for partition in ingester.json("/v1/partitions")["partitions"]
            if partition["state"] == "halted"}


def test_records_with_their_producers_time_halt_their_partition(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {3: 10, 4: 10})
    topic.alter("message.timestamp.type", "CreateTime")
    send(deployment, {3: 10})
    assert "LogAppendTime" in wait_halted(ingester, "create_time", 1)[3]
    topic.alter("message.timestamp.type", "LogAppendTime")
    send(deployment, {3: 10, 4: 10})
    wait_until(lambda: next_offset(deployment, 4) == 20, kSoon_s, "the neighbour goes on")
    assert next_offset(deployment, 3) == 10
    assert halted_partitions(ingester) == {3}
    assert ingester.ready(), "no other instance would read it either"
    deployment.sealstream("verify")


def test_topic_made_again_with_fewer_records_is_not_the_same_log(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20, 1: 20, 2: 20})
    deployment.wait_sealed(60)
    stop(ingester)
    topic.make_again()
    send(deployment, {0: 5, 1: 20, 2: 30, 5: 7})
    ingester = deployment.ingester("two")
    sentences = wait_halted(ingester, "not_same_log", 3)  # shorter; as long, but other records; longer
    for sentence in sentences.values():
        assert "at offset 20: the log does not hold the last committed record" in sentence
    wait_until(lambda: next_offset(deployment, 5) == 7, kSoon_s, "a partition that was empty goes on")
    assert halted_partitions(ingester) == {0, 1, 2}
    assert [next_offset(deployment, partition) for partition in range(3)] == [20, 20, 20]
    assert deployment.ask("SELECT count(*) FROM audit.ledger") == [(67,)]
    deployment.sealstream("verify")


def test_topic_made_again_under_a_running_ingester_is_not_the_same_log(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20})
    deployment.wait_sealed(20)
    topic.make_again()
    send(deployment, {0: 5})
    wait_halted(ingester, "not_same_log", 1)
    assert next_offset(deployment, 0) == 20
    deployment.sealstream("verify")


def test_retention_that_overtook_the_reader_halts_the_partition_and_counts_what_is_missed(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20, 1: 20})
    deployment.wait_sealed(40)
    stop(ingester)
    send(deployment, {0: 20, 1: 20})
    topic.delete_records(0, 33)
    ingester = deployment.ingester("two")
    assert "at offset 20: Kafka's retention deleted records" in wait_halted(ingester, "retention_overrun", 1)[0]
    assert ingester.metric("sealstream_missed_records_total", cause="retention_overrun") == 13
    wait_until(lambda: next_offset(deployment, 1) == 40, kSoon_s, "the neighbour goes on")
    assert next_offset(deployment, 0) == 20
    assert halted_partitions(ingester) == {0}
    deployment.sealstream("verify")


def test_log_whose_last_committed_record_is_gone_goes_on_unverified(deployment, topic):
    """Retention took what is sealed, and nothing else."""
    ingester = deployment.ingester()
    send(deployment, {0: 20})
    deployment.wait_sealed(20)
    stop(ingester)
    topic.delete_records(0, 20)
    send(deployment, {0: 20})
    ingester = deployment.ingester("two")
    deployment.wait_sealed(40)
    assert ingester.metric("sealstream_log_unverified_total") == 1
    assert ingester.metric("sealstream_halted_partitions") == 0
    assert deployment.ask("SELECT log_unverified FROM audit.partitions WHERE partition = 0") == [(1,)]
    deployment.check()


def test_gap_in_a_compacted_topic_halts_its_partition(deploy):
    """There an aborted transaction cannot be told from records that the cleaner took."""
    deployment = deploy(topic_settings={"cleanup.policy": "compact"})
    ingester = deployment.ingester()
    send(deployment, {0: 10, 1: 10})
    deployment.wait_sealed(20)
    Transactions(deployment).run(["acme"] * 5, commit=False, partition=0)
    send(deployment, {0: 10, 1: 10})
    assert "cleanup.policy=delete" in wait_halted(ingester, "compacted", 1)[0]
    wait_until(lambda: next_offset(deployment, 1) == 20, kSoon_s, "the neighbour goes on")
    assert next_offset(deployment, 0) == 10
    deployment.sealstream("verify")


def test_batch_over_the_end_of_a_month_lands_in_two_leaves(deploy):
    deployment = deploy(topic_settings={"message.timestamp.type": "CreateTime"})
    midnight = datetime.now(timezone.utc).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with Producer(deployment) as producer:
        for number in range(200):
            moment = midnight + timedelta(milliseconds=number - 100)
            producer.send("acme", event("acme", number, time=moment.isoformat()), timestamp=moment)
        producer.flush()
    ingester = deployment.ingester(kafka={"accept_create_time": True})
    deployment.wait_sealed(200)
    leaves = deployment.ask("SELECT tableoid::regclass::text, count(*), array_agg(DISTINCT xmin::text) FROM audit.ledger"
                            " GROUP BY 1 ORDER BY 1")
    before = midnight - timedelta(days=1)
    assert [(name, rows) for name, rows, _ in leaves] == [(f"audit.ledger_y{before:%Y}m{before:%m}", 100),
                                                         (f"audit.ledger_y{midnight:%Y}m{midnight:%m}", 100)]
    assert set(leaves[0][2]) & set(leaves[1][2]), "one transaction wrote to both"
    assert ingester.metric("sealstream_halted_partitions") == 0
    deployment.check()
    deployment.sealstream("verify")
