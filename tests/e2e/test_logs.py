"""Goal: whatever became of a log, only its partition halts, says in one sentence what to do, and goes on when an operator has
accepted the loss: which is counted, and an event in the chain. Nothing goes on by itself.

Method: logs are made again, cut on the broker's disk, overtaken by retention, compacted and extended, beside and under the
built program; the command that the alarm names is run as it stands there; the independent checker judges at the end.
"""

import json
import re
import shlex
import signal
from datetime import datetime, timedelta, timezone

import pytest
from deployment import wait_until
from producers import Producer, Transactions, event
from topics import Topic

kSoon_s = 60
kUsage = 64
kOwnPartition = 1  # of 12, where murmur2 puts the events of the tenant _sealstream


@pytest.fixture
def topic(deployment):
    return Topic(deployment)


def send(deployment, counts, first=0):
    """counts: partition -> records. first: the number of the first one."""
    with Producer(deployment) as producer:
        for partition, count in counts.items():
            for number in range(first, first + count):
                tenant = f"tenant-{partition}"
                producer.send(tenant, event(tenant, number), partition=partition)
        producer.flush()


def stop(ingester):
    ingester.signal(15)
    assert ingester.wait_end() == 0


def position(deployment, partition):
    """(log_epoch, next_offset)"""
    return deployment.ask("SELECT log_epoch, next_offset FROM audit.partitions WHERE partition = %s", partition)[0]


def wait_position(deployment, partition, log_epoch, next_offset):
    wait_until(lambda: position(deployment, partition) == (log_epoch, next_offset), kSoon_s,
               f"partition {partition} is at {next_offset} of log epoch {log_epoch}")


def alarms(ingester, cause, partitions):
    """What the log says of each of these partitions, and of no other, once they are halted."""
    ingester.wait(lambda: ingester.metric("sealstream_halted_partitions", cause=cause) == len(partitions), kSoon_s,
                  f"to halt partitions {partitions} for {cause}")
    lines = [line for line in ingester.log_events() if line["event"] == "partition_halted" and line["error_code"] == cause]
    assert {line["partition"] for line in lines} == set(partitions)
    assert ingester.metric("sealstream_halted_partitions") == len(partitions)
    assert ingester.ready(), "no other instance would read it either"
    return {line["partition"]: line["msg"] for line in lines}


def accept(deployment, alarm, reason="the disk is gone"):
    """Runs the command that an alarm names; what it says as JSON."""
    command = re.search(r"sealstream (offsets reset .* --accept-loss) REASON( --execute)$", alarm)
    assert command, alarm
    done = deployment.run(*shlex.split(command[1]), reason, *shlex.split(command[2]), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def judged(deployment, ingester):
    ingester.wait(lambda: ingester.metric("sealstream_halted_partitions") == 0, kSoon_s, "to have no halted partition")
    wait_until(lambda: deployment.run("offsets", "show").returncode == 0, kSoon_s, "nothing is to be accepted")
    deployment.check()
    deployment.sealstream("verify")


def closed_logs(deployment):
    return deployment.ask("SELECT partition, log_epoch, next_offset, accepted, lost, reason FROM audit.partition_epochs"
                          " ORDER BY partition, log_epoch")


def test_a_topic_made_again_goes_on_from_its_start(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20, 1: 20, 2: 20})
    deployment.wait_sealed(60)
    stop(ingester)
    topic.make_again()
    send(deployment, {0: 5, 1: 20, 2: 30, 5: 7}, first=100)
    ingester = deployment.ingester("two")
    said = alarms(ingester, "not_same_log", [0, 1, 2])
    wait_position(deployment, 5, 0, 7)
    assert [position(deployment, partition) for partition in range(3)] == [(0, 20)] * 3
    partitions = [f"{deployment.topic}/{partition}" for partition in range(3)]
    done = deployment.sealstream("offsets", "reset", *partitions, "--accept-loss", "topic made again", "--execute", "--json")
    for partition, records in ((0, 5), (1, 20), (2, 30)):
        assert f"reset {partitions[partition]} --accept-loss" in said[partition]
        wait_position(deployment, partition, 1, records + owed(done, partition))
    assert closed_logs(deployment) == [(partition, 0, 20, 20, 0, "topic made again") for partition in range(3)]
    judged(deployment, ingester)


def owed(printed, partition):
    """How many of the published events lie in that partition: all have one tenant and so one partition."""
    events = json.loads(printed)["events"]
    return len(events) if partition == kOwnPartition else 0



def test_a_topic_made_again_under_a_running_ingester_goes_on_from_its_start(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20, 2: 20})
    deployment.wait_sealed(40)
    topic.make_again()
    send(deployment, {0: 5}, first=100)
    alarm = alarms(ingester, "not_same_log", [0, 2])[0]
    accept(deployment, alarm)
    wait_position(deployment, 0, 1, 5)
    ingester.wait(lambda: ingester.metric("sealstream_halted_partitions") == 1, kSoon_s, "to halt the other one again")
    assert position(deployment, 2) == (0, 20)
    deployment.sealstream("verify")


def test_a_topic_made_again_that_grows_beyond_a_sleeping_reader_is_read_from_its_start(deployment, topic):
    """No offset and no digest is amiss. What was sealed of the new log before it was recognised becomes duplicates."""
    ingester = deployment.ingester()
    send(deployment, {0: 20, 2: 20})
    deployment.wait_sealed(40)
    ingester.signal(signal.SIGSTOP)
    wait_until(ingester.frozen, kSoon_s, "the reader sleeps")
    topic.make_again()
    send(deployment, {0: 50, 2: 50}, first=100)
    epochs = deployment.epochs()
    ingester.signal(signal.SIGCONT)
    alarms(ingester, "not_same_log", [0, 2])
    assert deployment.epochs() == epochs, "it was put out of its group, and compared the last committed record"
    ingester.signal(signal.SIGKILL)
    ingester.wait_end()
    ingester = deployment.ingester("two")
    for partition, alarm in alarms(ingester, "not_same_log", [0, 2]).items():
        accept(deployment, alarm)
        wait_position(deployment, partition, 1, 50)
        assert deployment.ask("SELECT accepted + duplicate FROM audit.partitions WHERE partition = %s", partition) == [(50,)]
        assert deployment.ask("SELECT count(*) FROM audit.ledger WHERE tenant_id = %s", f"tenant-{partition}") == [(70,)]
    judged(deployment, ingester)


def test_a_topic_made_again_stays_halted_when_retention_has_taken_what_told_it(deployment, topic):
    """What is left of the new log contradicts nothing: the last committed record is its own, and nothing lies before the witness."""
    ingester = deployment.ingester()
    send(deployment, {0: 20})
    deployment.wait_sealed(20)
    ingester.signal(signal.SIGSTOP)
    wait_until(ingester.frozen, kSoon_s, "the reader sleeps")
    topic.make_again()
    send(deployment, {0: 50}, first=100)
    ingester.signal(signal.SIGCONT)
    alarms(ingester, "not_same_log", [0])
    kept = "SELECT another_log FROM audit.partitions WHERE partition = 0"
    wait_until(lambda: deployment.ask(kept) == [(True,)], kSoon_s, "the database knows")
    ingester.signal(signal.SIGKILL)
    ingester.wait_end()
    halted_at = position(deployment, 0)
    topic.delete_records(0, halted_at[1] - 1)
    alarm = alarms(deployment.ingester("two"), "not_same_log", [0])[0]
    assert position(deployment, 0) == halted_at
    accept(deployment, alarm)
    wait_position(deployment, 0, 1, 50)
    assert deployment.ask(kept) == [(False,)]


def test_a_log_that_is_back_goes_on_where_it_stood(deployment, topic):
    """As where an instance was pointed at another cluster for a while."""
    ingester = deployment.ingester()
    send(deployment, {0: 20})
    deployment.wait_sealed(20)
    stop(ingester)
    deployment.as_superuser("UPDATE audit.partitions SET another_log = true WHERE partition = 0")
    send(deployment, {0: 5}, first=100)
    alarm = alarms(deployment.ingester("two"), "not_same_log", [0])[0]
    assert position(deployment, 0) == (0, 20)
    assert accept(deployment, alarm)["partitions"][0]["loss"] == {"records": 0, "go_on_at": 20}
    wait_position(deployment, 0, 1, 25)
    assert deployment.ask("SELECT accepted, duplicate FROM audit.partitions WHERE partition = 0") == [(5, 0)]


def test_a_log_that_was_cut_and_written_on_is_read_from_its_start(deployment, topic):
    """What was cut is sealed; what was kept becomes duplicates; what was written since is new."""
    ingester = deployment.ingester()
    send(deployment, {0: 15, 2: 15})
    send(deployment, {0: 5})
    deployment.wait_sealed(35)
    stop(ingester)
    topic.cut(0, 15)
    send(deployment, {0: 8, 2: 8}, first=100)
    ingester = deployment.ingester("two")
    alarm = alarms(ingester, "not_same_log", [0])[0]
    assert "at offset 20: the log does not hold what was read of it" in alarm
    wait_position(deployment, 2, 0, 23)
    assert position(deployment, 0) == (0, 20)
    said = accept(deployment, alarm)
    assert said["partitions"][0]["loss"] == {"records": 0, "go_on_at": 0}
    wait_position(deployment, 0, 1, 23)
    assert deployment.ask("SELECT accepted, duplicate FROM audit.partitions WHERE partition = 0") == [(8, 15)]
    assert deployment.ask("SELECT count(*) FROM audit.ledger WHERE tenant_id = 'tenant-0'") == [(28,)]
    judged(deployment, ingester)


def test_a_position_beyond_the_end_of_a_log_that_was_cut_under_the_reader_halts(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 15, 2: 15})
    send(deployment, {0: 5})
    deployment.wait_sealed(35)
    topic.cut(0, 15)
    alarm = alarms(ingester, "not_same_log", [0])[0]
    send(deployment, {2: 8}, first=100)
    wait_position(deployment, 2, 0, 23)
    accept(deployment, alarm)
    wait_position(deployment, 0, 1, 15)
    judged(deployment, ingester)


def test_records_that_retention_took_unread_are_counted_as_lost(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 20, 2: 20})
    deployment.wait_sealed(40)
    stop(ingester)
    send(deployment, {0: 20, 2: 20}, first=20)
    topic.delete_records(0, 33)
    ingester = deployment.ingester("two")
    alarm = alarms(ingester, "retention_overrun", [0])[0]
    assert ingester.metric("sealstream_missed_records_total", cause="retention_overrun") == 13
    wait_position(deployment, 2, 0, 40)
    assert position(deployment, 0) == (0, 20)
    said = accept(deployment, alarm, "retention was a day too short")
    wait_position(deployment, 0, 1, 40)
    assert closed_logs(deployment) == [(0, 0, 33, 20, 13, "retention was a day too short")]
    row = deployment.ask("SELECT tenant_id, family, action, resource_type, resource_id, detail, personal_detail"
                         " FROM audit.ledger WHERE event_id = %s", said["events"][0]["id"])
    assert row == [("_sealstream", "admin", "reset", "partition", f"{deployment.topic}/0", {"rows": 13}, {"data": {
        "reason": "retention was a day too short", "after": {"log_epoch": 1, "next_offset": 33},
        "before": {"topic": deployment.topic, "partition": 0, "log_epoch": 0, "next_offset": 20,
                   "halted": "retention_overrun"}}})]
    judged(deployment, ingester)


def test_a_gap_in_a_compacted_topic_is_counted_as_lost(deploy):
    deployment = deploy(topic_settings={"cleanup.policy": "compact"})
    ingester = deployment.ingester()
    send(deployment, {0: 10, 2: 10})
    deployment.wait_sealed(20)
    Transactions(deployment).run(["acme"] * 5, commit=False, partition=0)
    send(deployment, {0: 10, 2: 10}, first=10)
    alarm = alarms(ingester, "compacted", [0])[0]
    wait_position(deployment, 2, 0, 20)
    accept(deployment, alarm)
    wait_position(deployment, 0, 1, 26)
    assert closed_logs(deployment) == [(0, 0, 16, 10, 6, "the disk is gone")]  # five aborted records and the marker
    judged(deployment, ingester)


def test_partitions_that_are_added_begin_at_their_start_and_halt_nothing(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 10})
    topic.add_partitions(14)
    send(deployment, {12: 10, 13: 10, 0: 10}, first=10)
    deployment.wait_sealed(40)
    assert position(deployment, 13) == (0, 10)
    assert ingester.metric("sealstream_halted_partitions") == 0
    judged(deployment, ingester)


def test_a_topic_that_is_deleted_and_not_made_again_cannot_be_accepted(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {0: 10})
    deployment.wait_sealed(10)
    stop(ingester)
    topic.delete()
    done = deployment.run("offsets", "reset", f"{deployment.topic}/0", "--accept-loss", "r", "--execute")
    assert done.returncode == 1 and "Kafka does not tell where" in done.stderr
    assert position(deployment, 0) == (0, 10)
    assert "Kafka does not know the partition" in deployment.sealstream("offsets", "show", expect=1)
    deployment.kafka.create_topic(deployment.topic, 1)


def test_records_with_their_producers_time_halt_their_partition_and_are_no_loss(deployment, topic):
    ingester = deployment.ingester()
    send(deployment, {3: 10, 4: 10})
    topic.alter("message.timestamp.type", "CreateTime")
    send(deployment, {3: 10}, first=10)
    assert "LogAppendTime" in alarms(ingester, "create_time", [3])[3]
    topic.alter("message.timestamp.type", "LogAppendTime")
    send(deployment, {3: 10, 4: 10}, first=20)
    wait_position(deployment, 4, 0, 20)
    assert position(deployment, 3) == (0, 10)
    done = deployment.run("offsets", "reset", f"{deployment.topic}/3", "--accept-loss", "r", "--execute")
    assert done.returncode == 1 and "nothing is lost" in done.stderr and "LogAppendTime" in done.stderr
    stop(ingester)
    judged(deployment, deployment.ingester("two", kafka={"accept_create_time": True}))


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


# --- what the commands say ---------------------------------------------------------------------------------------


def overtake(deployment):
    """Partition 0 is overtaken by retention by 13 records; its neighbours are sealed; nothing runs."""
    ingester = deployment.ingester()
    send(deployment, {0: 20, 2: 20})
    deployment.wait_sealed(40)
    stop(ingester)
    send(deployment, {0: 20})
    Topic(deployment).delete_records(0, 33)
    return deployment


@pytest.fixture(scope="module")
def halted(module_deployment):
    """Overtaken, for commands that change nothing."""
    return overtake(module_deployment)


def test_show_says_what_would_have_to_be_accepted(halted):
    shown = json.loads(halted.sealstream("offsets", "show", "--json", expect=1))["partitions"]
    assert [shown[0], shown[2]] == [
        {"topic": halted.topic, "partition": 0, "log_epoch": 0, "next_offset": 20, "log_start": 33, "log_end": 40,
         "answered": True, "halted": "retention_overrun", "loss": {"records": 13, "go_on_at": 33}},
        {"topic": halted.topic, "partition": 2, "log_epoch": 0, "next_offset": 20, "log_start": 0, "log_end": 20,
         "answered": True, "halted": None, "loss": None}]
    assert [partition["halted"] for partition in shown[3:]] == [None] * 9
    lines = halted.sealstream("offsets", "show", expect=1).splitlines()
    assert lines[0] == f"{halted.topic}/0: next offset 20 of log epoch 0; the log holds 33 to 40; halted"
    assert lines[1].endswith(f"sealstream offsets reset {halted.topic}/0 --accept-loss REASON --execute")
    assert lines[3] == f"{halted.topic}/2: next offset 20 of log epoch 0; the log holds 0 to 20"


def test_export_prints_every_position(halted):
    exported = json.loads(halted.sealstream("offsets", "export"))["partitions"]
    digest, = halted.ask("SELECT encode(last_digest, 'hex') FROM audit.partitions WHERE partition = 0")[0]
    assert exported[0] == {"topic": halted.topic, "partition": 0, "log_epoch": 0, "next_offset": 20, "last_offset": 19,
                           "last_digest": digest}
    assert (len(exported), exported[5]["next_offset"], exported[5]["last_offset"]) == (12, 0, None)


def test_without_execute_nothing_is_done(halted):
    done = halted.run("offsets", "reset", f"{halted.topic}/0", "--accept-loss", "retention was too short", "--by", "ada")
    assert (done.returncode, done.stderr) == (0, "Nothing was done. With --execute it is.\n")
    assert done.stdout == (f"{halted.topic}/0: log epoch 0 ends at offset 20; 13 records behind it are lost;"
                           " it goes on at offset 33 of log epoch 1\n")
    said = json.loads(halted.sealstream("offsets", "reset", f"{halted.topic}/0", "--accept-loss", "r", "--by", "ada", "--json"))
    assert (said["executed"], said["events"][0]["tenantid"], said["events"][0]["data"]["actor"]["id"]) == (
        False, "_sealstream", "ada")
    assert position(halted, 0) == (0, 20)


@pytest.mark.parametrize("partition, code, problem", [
    ("{}/2", 1, "is not halted"), ("{}/99", 1, "PostgreSQL knows no position of"), ("{}", kUsage, "a partition is topic/partition"),
    ("{}/x", kUsage, "a partition is topic/partition"), ("/0", kUsage, "a partition is topic/partition")])
def test_what_is_not_lost_is_not_accepted(halted, partition, code, problem):
    """Nor is anything of what stands beside it."""
    done = halted.run("offsets", "reset", f"{halted.topic}/0", partition.format(halted.topic), "--accept-loss", "r", "--execute")
    assert done.returncode == code and problem in done.stderr
    assert position(halted, 0) == (0, 20)


def test_a_reason_is_demanded_and_must_fit_into_an_event(halted):
    assert halted.run("offsets", "reset", f"{halted.topic}/0", "--execute").returncode == kUsage
    done = halted.run("offsets", "reset", f"{halted.topic}/0", "--accept-loss", "x" * 257, "--execute")
    assert done.returncode == kUsage and "data.reason" in done.stderr
    assert position(halted, 0) == (0, 20)


def test_what_no_broker_takes_is_not_accepted(halted):
    elsewhere = halted.write_config("nowhere", 1, kafka={"topics": [halted.topic + ".missing"]})
    done = halted.run("offsets", "reset", f"{halted.topic}/0", "--accept-loss", "r", "--execute", config=elsewhere)
    assert done.returncode == 69 and "was not published" in done.stderr
    assert position(halted, 0) == (0, 20)


def test_an_acceptance_that_nobody_seals_yet_is_said(deployment):
    halted = overtake(deployment)
    done = halted.run("offsets", "reset", f"{halted.topic}/0", "--accept-loss", "r", "--execute", "--wait-ms", "200")
    assert done.returncode == 1 and "does sealstream run" in done.stderr
    assert position(halted, 0) == (1, 33)
    judged(halted, halted.ingester("two"))
