"""Three Kafka nodes, each broker and controller, as a cluster that survives the loss of one."""

from concurrent.futures import ThreadPoolExecutor

import confluent_kafka
from confluent_kafka.admin import AdminClient
from local.kafka_broker import KafkaBroker
from local.process import free_port

kNodes = 3
kSettings = {
    "default.replication.factor": kNodes, "min.insync.replicas": 2, "offsets.topic.replication.factor": kNodes,
    "transaction.state.log.replication.factor": kNodes, "transaction.state.log.min.isr": 2,
}


class Node(KafkaBroker):
    """Node `number` of those whose controllers listen on these ports; `like`: one of the same cluster."""

    def __init__(self, directory, number, controllers, like=None):
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
        super().__init__(directory, {**kSettings, "node.id": number, "controller.quorum.voters": voters})
        self._state["controller_port"] = controllers[number - 1]
        self._cluster_id = like._cluster_id if like else self._cluster_id


class KafkaCluster:
    """Stands for a KafkaBroker wherever clients are concerned. Runs from `with` to its end."""

    def __init__(self, directory):
        controllers = [free_port() for _ in range(kNodes)]
        self.nodes = []
        for number in range(1, kNodes + 1):
            self.nodes.append(Node(directory / str(number), number, controllers, *self.nodes[:1]))
        self._starters = ThreadPoolExecutor(kNodes)  # a node ends with the thread that started it

    @property
    def address(self):
        return ",".join(node.address for node in self.nodes)

    def create_topic(self, *arguments):
        return self.nodes[0].create_topic(*arguments)

    def leader(self, topic, partition):
        """The node that leads it; None where there is none now."""
        metadata = self._admin().list_topics(topic, timeout=30)
        number = metadata.topics[topic].partitions[partition].leader
        return self.nodes[number - 1] if number > 0 else None

    def elect_preferred(self, topic, partition):
        """Lets the partition's first replica lead it, as when the topic was new; whether it does now."""
        admin = self._admin()
        place = confluent_kafka.TopicPartition(topic, partition)
        admin.elect_leaders(confluent_kafka.ElectionType.PREFERRED, [place]).result(30)
        found = admin.list_topics(topic, timeout=30).topics[topic].partitions[partition]
        return found.leader == found.replicas[0]

    def _admin(self):
        return AdminClient({"bootstrap.servers": self.address})

    def __enter__(self):
        list(self._starters.map(KafkaBroker.start, self.nodes))
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
            node.remove()
        self._starters.shutdown()
