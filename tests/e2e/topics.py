"""What an administrator of Kafka does to a topic, through Kafka's own admin interface."""

import confluent_kafka
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
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

    def delete(self):
        for done in self._admin.delete_topics([self._deployment.topic]).values():
            done.result(60)

    def delete_records(self, partition, before):
        place = confluent_kafka.TopicPartition(self._deployment.topic, partition, before)
        for done in self._admin.delete_records([place]).values():
            done.result(60)

    def make_again(self):
        topic = self._deployment.topic
        self.delete()
        wait_until(lambda: topic not in self._deployment.kafka.partition_counts(), kSoon_s, "the topic is deleted")
        wait_until(lambda: self._deployment.kafka.create_topic(topic, 12), kSoon_s, "the topic is made again")
