"""Goal: whoever can publish a CloudEvent to Kafka can publish to Sealstream: with kcat, with the CloudEvents SDK for Python
over two different Kafka clients, in both modes, with every codec, in transactions.

Method: clients that nobody here wrote send to a real broker; the rows are compared with what was sent, here and by the
independent checker.
"""

import json
import subprocess
import uuid
from collections import Counter

import confluent_kafka
import kafka as kafka_python
import pytest
from cloudevents.core.bindings import kafka as sdk_kafka
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import kafka as older_sdk_kafka
from cloudevents.v1.http import CloudEvent as OlderCloudEvent
from dateutil.parser import isoparse
from full_events import full_events
from producers import Producer, binary, event
from topics import Topic


@pytest.fixture(scope="module")
def publishing(module_deployment):
    module_deployment.ingester()
    return module_deployment


def rows_of(deployment, tenant):
    return deployment.ask("SELECT family, action, event_id, source, user_id FROM audit.ledger WHERE tenant_id = %s ORDER BY seq",
                          tenant)


def refusals_of(deployment, place):
    return deployment.ask("SELECT reason, member_path FROM audit.quarantine WHERE (partition, kafka_offset) = (%s, %s)",
                          *place, role="operator")


def row(sent):
    return ("auth", "login", sent["id"], sent["source"], sent["data"]["actor"]["id"])


def a_tenant():
    return f"tenant-{uuid.uuid4().hex[:12]}"


def wait_for_all(deployment):
    """Until every record that the topic holds is sealed."""
    deployment.wait_sealed(sum(Topic(deployment).ends()))


# --- kcat --------------------------------------------------------------------------------------------------------


def kcat(deployment, key, value, headers=(), *options):
    arguments = [word for name, content in headers for word in ("-H", f"{name}={content.decode()}")]
    subprocess.run(["kcat", "-q", "-P", "-b", deployment.kafka.address, "-t", deployment.topic, "-k", key,
                    "-X", "topic.partitioner=murmur2_random", *arguments, *options],
                   input=value, text=True, check=True, timeout=60, stderr=subprocess.PIPE)


def test_kcat_publishes_in_structured_mode(publishing):
    sent = event(a_tenant(), 1)
    kcat(publishing, sent["tenantid"], json.dumps(sent), [("content-type", b"application/cloudevents+json")])
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


def test_kcat_publishes_a_line_of_json_without_any_header(publishing):
    tenant = a_tenant()
    sent = [event(tenant, number) for number in range(20)]
    kcat(publishing, tenant, "".join(json.dumps(one) + "\n" for one in sent))
    wait_for_all(publishing)
    assert rows_of(publishing, tenant) == [row(one) for one in sent]


def test_kcat_publishes_in_binary_mode(publishing):
    sent = event(a_tenant(), 2)
    value, headers = binary(sent)
    kcat(publishing, sent["tenantid"], value, headers)
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_kcat_may_compress(publishing, codec):
    tenant = a_tenant()
    sent = [event(tenant, number) for number in range(50)]
    kcat(publishing, tenant, "".join(json.dumps(one) + "\n" for one in sent), (), "-X", f"compression.codec={codec}")
    wait_for_all(publishing)
    assert rows_of(publishing, tenant) == [row(one) for one in sent]


# --- the CloudEvents SDK for Python ------------------------------------------------------------------------------


def send_with_confluent_kafka(deployment, message, **settings):
    """Returns (partition, offset)."""
    places = []
    producer = confluent_kafka.Producer({"bootstrap.servers": deployment.kafka.address, "partitioner": "murmur2_random",
                                         "enable.idempotence": True, **settings})
    producer.produce(deployment.topic, key=message.key, value=message.value, headers=dict(message.headers),
                     on_delivery=lambda error, sent: places.append((sent.partition(), sent.offset())))
    assert producer.flush(60) == 0
    return places[0]


def send_with_kafka_python(deployment, message, **settings):
    """Returns (partition, offset)."""
    producer = kafka_python.KafkaProducer(bootstrap_servers=deployment.kafka.address, acks="all", **settings)
    try:
        key = message.key.encode() if isinstance(message.key, str) else message.key
        sent = producer.send(deployment.topic, key=key, value=message.value, headers=list(message.headers.items())).get(60)
        return sent.partition, sent.offset
    finally:
        producer.close()


def with_sdk(encode):
    """encode: to_binary_event or to_structured_event, as the SDK's README has it."""
    def message(attributes, data):
        return encode(CloudEvent(attributes | {"time": isoparse(attributes["time"])}, data))
    return message


def with_older_sdk(encode):
    return lambda attributes, data: encode(OlderCloudEvent(attributes, data))


kEncoders = {
    "binary": with_sdk(sdk_kafka.to_binary_event),
    "structured": with_sdk(sdk_kafka.to_structured_event),
    "binary, interface of 1.x": with_older_sdk(older_sdk_kafka.to_binary),
    "structured, interface of 1.x": with_older_sdk(older_sdk_kafka.to_structured),
}
kClients = {"confluent-kafka": send_with_confluent_kafka, "kafka-python": send_with_kafka_python}


def attributes_of(sent, **changes):
    """What a publisher hands to the SDK: its key is the attribute partitionkey, its content type datacontenttype."""
    attributes = {name: value for name, value in sent.items() if name != "data"}
    attributes |= {"partitionkey": sent["tenantid"], "datacontenttype": "application/json"} | changes
    return {name: value for name, value in attributes.items() if value is not None}


@pytest.mark.parametrize("client", kClients)
@pytest.mark.parametrize("encoder", kEncoders)
def test_the_sdk_publishes(publishing, encoder, client):
    sent = event(a_tenant(), 3)
    kClients[client](publishing, kEncoders[encoder](attributes_of(sent), sent["data"]))
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


@pytest.mark.parametrize("client", kClients)
@pytest.mark.parametrize("encoder", kEncoders)
def test_a_forgotten_partitionkey_is_refused_as_a_missing_tenant(publishing, encoder, client):
    sent = event(a_tenant(), 4)
    place = kClients[client](publishing, kEncoders[encoder](attributes_of(sent, partitionkey=None), sent["data"]))
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == []
    assert refusals_of(publishing, place) == [("tenant_missing", "key")]


@pytest.mark.parametrize("client", kClients)
@pytest.mark.parametrize("encoder", ["binary", "structured", "structured, interface of 1.x"])
def test_a_forgotten_datacontenttype_does_no_harm_to_json_objects(publishing, encoder, client):
    """Binary mode then has no content type, and ce_ headers alone mean JSON; structured mode has its own, or none."""
    sent = event(a_tenant(), 5)
    kClients[client](publishing, kEncoders[encoder](attributes_of(sent, datacontenttype=None), sent["data"]))
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


def test_the_older_interface_itself_refuses_a_forgotten_datacontenttype_in_binary_mode():
    sent = event(a_tenant(), 6)
    with pytest.raises(KeyError, match="datacontenttype"):
        kEncoders["binary, interface of 1.x"](attributes_of(sent, datacontenttype=None), sent["data"])


def test_another_datacontenttype_is_refused_in_both_modes(publishing):
    """The SDK writes data of a type that is not JSON as text, whatever it holds."""
    for encoder, path in (("binary", "content-type"), ("structured", "datacontenttype")):
        sent = event(a_tenant(), 7)
        message = kEncoders[encoder](attributes_of(sent, datacontenttype="text/plain"), json.dumps(sent["data"]))
        place = send_with_confluent_kafka(publishing, message)
        wait_for_all(publishing)
        assert refusals_of(publishing, place) == [("unsupported_content_type", path)]


def test_data_handed_over_as_text_is_an_object_in_binary_mode_and_a_string_in_structured_mode(publishing):
    sent = event(a_tenant(), 8)
    text = json.dumps(sent["data"])
    send_with_confluent_kafka(publishing, kEncoders["binary"](attributes_of(sent), text))
    place = send_with_confluent_kafka(publishing, kEncoders["structured"](attributes_of(sent), text))
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"])[0] == row(sent)
    assert refusals_of(publishing, place) == [("schema", "data")]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_confluent_kafka_may_compress(publishing, codec):
    sent = event(a_tenant(), 9)
    message = kEncoders["binary"](attributes_of(sent), sent["data"])
    send_with_confluent_kafka(publishing, message, **{"compression.type": codec})
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


def test_kafka_python_may_compress(publishing):
    sent = event(a_tenant(), 10)
    send_with_kafka_python(publishing, kEncoders["structured"](attributes_of(sent), sent["data"]), compression_type="gzip")
    wait_for_all(publishing)
    assert rows_of(publishing, sent["tenantid"]) == [row(sent)]


def test_both_modes_give_the_same_row(publishing):
    """But for identity and place: every other column of the ledger."""
    tenant = a_tenant()
    for sent in full_events(tenant):
        again = sent | {"id": str(uuid.uuid4())}
        value, headers = binary(sent)
        with Producer(publishing) as producer:
            producer.send(tenant, value, headers)
            producer.send(tenant, again, [("content-type", b"application/cloudevents+json; charset=utf-8")])
    wait_for_all(publishing)
    rows = [row for (row,) in publishing.ask("SELECT to_jsonb(l) FROM audit.ledger l WHERE tenant_id = %s ORDER BY seq", tenant)]
    own = {"seq", "event_id", "kafka_offset", "recorded_at", "source_digest", "personal_commitment", "prev_checksum", "checksum"}
    for binary_row, structured_row in zip(rows[::2], rows[1::2], strict=True):
        assert {name for name in binary_row if binary_row[name] != structured_row[name]} <= own
    assert len(rows) == 12


def test_all_of_them_add_up(publishing):
    publishing.check()
    publishing.sealstream("verify")


# --- partitioners that differ -------------------------------------------------------------------------------------


def test_a_tenant_that_producers_spread_over_partitions_stays_one_chain_and_is_counted(deployment):
    """Lanes and instances then write the same heads: only slower, never wrong."""
    one, two = deployment.ingester("one"), deployment.ingester("two")
    tenants = ["acme", "globex"]
    with Producer(deployment) as producer:
        for number in range(3_000):
            tenant = tenants[number % 2]
            producer.send(tenant, event(tenant, number), partition=number % 12)
        producer.flush()
    deployment.wait_sealed(3_000)
    assert deployment.ask("SELECT tenant_id, seq FROM audit.chain_heads ORDER BY 1") == [("acme", 1_499), ("globex", 1_499)]
    assert one.metric("sealstream_tenant_split_total") + two.metric("sealstream_tenant_split_total") > 0
    assert Counter(line["event"] for line in one.log_events() + two.log_events())["tenant_split"] > 0
    deployment.check()
