"""What an administrator of Kafka does to a topic, through Kafka's own admin interface."""

import struct

import confluent_kafka
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType
from deployment import wait_until

kSoon_s = 60


class Topic:
    """What an administrator does to the topic of a deployment."""

    def __init__(self, deployment):
        self._deployment = deployment
        self._admin = AdminClient({"bootstrap.servers": deployment.kafka.address})

    def alter(self, name, value):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, self._deployment.topic, incremental_configs=[entry])
        for done in self._admin.incremental_alter_configs([resource]).values():
            done.result(60)

    def ends(self):
        """Of every partition, where the next record will be."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self._deployment.kafka.address, "group.id": "ends"})
        try:
            topic = self._deployment.topic
            places = [confluent_kafka.TopicPartition(topic, partition)
                      for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions]
            return [consumer.get_watermark_offsets(place, timeout=30)[1] for place in places]
        finally:
            consumer.close()

    def delete(self):
        for done in self._admin.delete_topics([self._deployment.topic]).values():
            done.result(60)

    def delete_records(self, partition, before):
        place = confluent_kafka.TopicPartition(self._deployment.topic, partition, before)
        for done in self._admin.delete_records([place]).values():
            done.result(60)

    def add_partitions(self, count):
        """So that there are `count` in all."""
        for done in self._admin.create_partitions([NewPartitions(self._deployment.topic, count)]).values():
            done.result(60)

    def make_again(self):
        topic = self._deployment.topic
        self.delete()
        wait_until(lambda: topic not in self._deployment.kafka.partition_counts(), kSoon_s, "the topic is deleted")
        wait_until(lambda: self._deployment.kafka.create_topic(topic, 12), kSoon_s, "the topic is made again")

    def cut(self, partition, offset):
        """The records from `offset` on, where a batch must begin, are on no disk any more: the broker is killed and finds its
        log so. An unclean leader election ends like this."""
        broker = self._deployment.kafka
        log = broker.directory / "data" / f"{self._deployment.topic}-{partition}" / f"{0:020d}.log"
        broker.kill()
        try:
            with open(log, "r+b") as file:
                file.truncate(begin_of_batch(file.read(), offset))
        finally:
            broker.start()


def begin_of_batch(log, offset):
    """Where in a segment the batch with this base offset begins: each has its base offset, the length of the rest, the rest."""
    at = 0
    while at < len(log):
        base, length = struct.unpack_from(">qi", log, at)
        if base == offset:
            return at
        at += 12 + length
    raise AssertionError(f"no batch begins at offset {offset}")
