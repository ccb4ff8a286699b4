"""Clusters of several Kafka nodes."""

import socket
from concurrent.futures import ThreadPoolExecutor

import confluent_kafka
from confluent_kafka.admin import AdminClient
from local.kafka_broker import KafkaBroker
from local.process import free_port, wait_until
from proxy import Proxy

kSoon_s = 60


def replicated(copies, in_sync):
    """Settings of a cluster that keeps everything so often, and takes writes while so many copies are in sync."""
    return {"default.replication.factor": copies, "min.insync.replicas": in_sync, "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies, "transaction.state.log.min.isr": in_sync}


class Node(KafkaBroker):
    """Node `number` of those whose controllers listen on these ports, by number."""

    def __init__(self, directory, number, controllers, settings):
        voters = ",".join(f"{voter}@127.0.0.1:{port}" for voter, port in controllers.items())
        super().__init__(directory / str(number), {"node.id": number, "controller.quorum.voters": voters, **settings})
        if number in controllers:
            self._state["controller_port"] = controllers[number]


class BrokerNode(Node):
    """A broker that is no controller; everybody comes to it through `proxy`."""

    proxy = None

    @property
    def address(self):
        return f"{self.host}:{self.proxy.port}"

    def _write_properties(self):
        if not self.proxy:
            self.proxy = Proxy(self.host, self._settle_port())
            self.proxy.__enter__()
        self._state["settings"] |= {"process.roles": "broker", "listeners": f"PLAINTEXT://{self.host}:{self.port}",
                                    "advertised.listeners": f"PLAINTEXT://{self.address}"}
        super()._write_properties()

    def remove(self):
        if self.proxy:
            self.proxy.__exit__()
        super().remove()


class ControllerNode(Node):
    """A controller that is no broker."""

    def _write_properties(self):
        controller = self._state["controller_port"]
        self._state["settings"] |= {"process.roles": "controller", "listeners": f"CONTROLLER://{self.host}:{controller}"}
        super()._write_properties()

    def _ready(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self._state["controller_port"])) == 0


class Cluster:
    """Stands for a KafkaBroker wherever clients are concerned. Runs from `with` to its end.

    nodes: node.id -> its server; brokers: those that take clients.
    """

    def __init__(self, nodes, brokers):
        self.nodes, self.brokers = nodes, brokers
        for node in nodes.values():
            node._cluster_id = brokers[0]._cluster_id
        self._starters = ThreadPoolExecutor(len(nodes))  # a node ends with the thread that started it

    @property
    def address(self):
        return ",".join(broker.address for broker in self.brokers)

    def create_topic(self, *arguments):
        return self.brokers[0].create_topic(*arguments)

    def leader(self, topic, partition):
        """The node that leads it; None where there is none now."""
        metadata = self._admin().list_topics(topic, timeout=30)
        return self.nodes.get(metadata.topics[topic].partitions[partition].leader)

    def coordinator(self, group):
        """The node that coordinates the consumer group. Every broker must be up."""
        self._wait_whole()
        admin = self._admin()
        described = admin.describe_consumer_groups([group])[group].result(30)
        return self.nodes[described.coordinator.id]

    def elect_preferred(self, topic, partition):
        """Lets the partition's first replica lead it, as when the topic was new; whether it does now. Every broker must be up."""
        self._wait_whole()
        admin = self._admin()
        place = confluent_kafka.TopicPartition(topic, partition)
        admin.elect_leaders(confluent_kafka.ElectionType.PREFERRED, [place]).result(30)
        found = admin.list_topics(topic, timeout=30).topics[topic].partitions[partition]
        return found.leader == found.replicas[0]

    def _wait_whole(self):
        """Until all brokers know the same: that all live, and who leads. Before that, one that stood still may still forget and
        learn again that it lives itself; and a librdkafka that hears of a broker from one, and not from the next, fails what it has
        asked that broker (_DESTROY_BROKER)."""
        wait_until(self._is_whole, kSoon_s, "all brokers know that all live")

    def _is_whole(self):
        living = {number for number, node in self.nodes.items() if node in self.brokers}
        first, *others = [broker.view() for broker in self.brokers]
        return first[0] == living and all(other == first for other in others)

    def _admin(self):
        return AdminClient({"bootstrap.servers": self.address, "api.version.request.timeout.ms": 1_000})  # some are paused

    def __enter__(self):
        list(self._starters.map(KafkaBroker.start, self.nodes.values()))
        self._wait_whole()
        return self

    def __exit__(self, *_):
        for node in self.nodes.values():
            node.kill()
            node.remove()
        self._starters.shutdown()


class KafkaCluster(Cluster):
    """Three nodes, each broker and controller, that survive the loss of one."""

    def __init__(self, directory):
        controllers = {number: free_port() for number in (1, 2, 3)}
        nodes = {number: Node(directory, number, controllers, replicated(3, 2)) for number in controllers}
        super().__init__(nodes, list(nodes.values()))


class ApartCluster(Cluster):
    """Two brokers, and a controller without which they go on as they are."""

    def __init__(self, directory):
        controllers = {1: free_port()}
        self.controller = ControllerNode(directory, 1, controllers, replicated(2, 1))
        brokers = [BrokerNode(directory, number, controllers, replicated(2, 1)) for number in (2, 3)]
        super().__init__({1: self.controller, 2: brokers[0], 3: brokers[1]}, brokers)
