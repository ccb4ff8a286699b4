"""The few admin calls that a broker of one's own needs, through librdkafka's C interface (librdkafka 2, `rdkafka.h`)."""

from __future__ import annotations

import ctypes as c
import functools

kProducer = 0
kTopicAlreadyExists = 36
kBrokersDefault = -1  # of replicas
kRequestTimeout_ms = 30000


class KafkaAdminError(Exception):
    pass


class _Broker(c.Structure):
    _fields_ = [("id", c.c_int32), ("host", c.c_char_p), ("port", c.c_int)]


class _Partition(c.Structure):
    _fields_ = [("id", c.c_int32), ("error", c.c_int), ("leader", c.c_int32),
                ("replica_count", c.c_int), ("replicas", c.POINTER(c.c_int32)),
                ("in_sync_count", c.c_int), ("in_sync", c.POINTER(c.c_int32))]


class _Topic(c.Structure):
    _fields_ = [("topic", c.c_char_p), ("partition_count", c.c_int), ("partitions", c.POINTER(_Partition)),
                ("error", c.c_int)]


class _Metadata(c.Structure):
    _fields_ = [("broker_count", c.c_int), ("brokers", c.POINTER(_Broker)),
                ("topic_count", c.c_int), ("topics", c.POINTER(_Topic)),
                ("origin_id", c.c_int32), ("origin_name", c.c_char_p)]


@functools.cache
def _library() -> c.CDLL:
    library = c.CDLL("librdkafka.so.1")
    returns_pointer = ["rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_NewTopic_new", "rd_kafka_queue_new",
                       "rd_kafka_queue_poll", "rd_kafka_event_CreateTopics_result",
                       "rd_kafka_CreateTopics_result_topics"]
    for name in returns_pointer:
        getattr(library, name).restype = c.c_void_p
    for name in ["rd_kafka_err2str", "rd_kafka_topic_result_error_string", "rd_kafka_event_error_string"]:
        getattr(library, name).restype = c.c_char_p
    for name in ["rd_kafka_destroy", "rd_kafka_event_destroy", "rd_kafka_queue_destroy", "rd_kafka_NewTopic_destroy"]:
        getattr(library, name).argtypes = [c.c_void_p]
        getattr(library, name).restype = None
    return library


class KafkaAdmin:
    """One client of one broker; use it in a `with` block. Belongs to one thread."""

    def __init__(self, address: str):
        self._library = _library()
        error = c.create_string_buffer(512)
        settings = c.c_void_p(self._library.rd_kafka_conf_new())
        for name, value in {"bootstrap.servers": address, "log_level": "0", "reconnect.backoff.max.ms": "200"}.items():
            self._library.rd_kafka_conf_set(settings, name.encode(), value.encode(), error, c.c_size_t(len(error)))
        self._client = c.c_void_p(self._library.rd_kafka_new(kProducer, settings, error, c.c_size_t(len(error))))
        if not self._client.value:
            raise KafkaAdminError(error.value.decode())

    def __enter__(self) -> "KafkaAdmin":
        return self

    def __exit__(self, *_unused) -> None:
        self._library.rd_kafka_destroy(self._client)

    def reachable(self, timeout_ms: int) -> bool:
        """Whether the broker answers and lists itself."""
        return bool(self._metadata(timeout_ms, lambda metadata: metadata.broker_count > 0))

    def partition_counts(self) -> dict[str, int]:
        def read(metadata: _Metadata) -> dict[str, int]:
            topics = [metadata.topics[i] for i in range(metadata.topic_count)]
            return {topic.topic.decode(): topic.partition_count for topic in topics}

        return self._answer(read)

    def view(self) -> tuple[set[int], dict[tuple[str, int], int]]:
        """What the broker knows of its cluster: the node.id of every living broker, and of the leader of every partition."""
        def read(metadata: _Metadata) -> tuple[set[int], dict[tuple[str, int], int]]:
            topics = [metadata.topics[i] for i in range(metadata.topic_count)]
            return ({metadata.brokers[i].id for i in range(metadata.broker_count)},
                    {(topic.topic.decode(), topic.partitions[i].id): topic.partitions[i].leader
                     for topic in topics for i in range(topic.partition_count)})

        return self._answer(read)

    def create_topic(self, topic: str, partitions: int, settings: dict[str, str]) -> bool:
        """False where the topic is there already, whatever its partitions and settings."""
        error = c.create_string_buffer(512)
        new = c.c_void_p(self._library.rd_kafka_NewTopic_new(topic.encode(), partitions, kBrokersDefault, error,
                                                             c.c_size_t(len(error))))
        if not new.value:
            raise KafkaAdminError(error.value.decode())
        try:
            for name, value in settings.items():
                self._library.rd_kafka_NewTopic_set_config(new, name.encode(), str(value).encode())
            code, text = self._request_creation(new)
        finally:
            self._library.rd_kafka_NewTopic_destroy(new)
        if code not in (0, kTopicAlreadyExists):
            raise KafkaAdminError(f"topic {topic}: {text}")
        return code == 0

    def _request_creation(self, new: c.c_void_p) -> tuple[int, str]:
        library = self._library
        queue = c.c_void_p(library.rd_kafka_queue_new(self._client))
        try:
            library.rd_kafka_CreateTopics(self._client, (c.c_void_p * 1)(new), c.c_size_t(1), None, queue)
            event = c.c_void_p(library.rd_kafka_queue_poll(queue, kRequestTimeout_ms * 3))
            if not event.value:
                raise KafkaAdminError("the broker does not answer")
            try:
                return self._creation_result(event)
            finally:
                library.rd_kafka_event_destroy(event)
        finally:
            library.rd_kafka_queue_destroy(queue)

    def _creation_result(self, event: c.c_void_p) -> tuple[int, str]:
        library = self._library
        code = library.rd_kafka_event_error(event)
        if code != 0:
            return code, library.rd_kafka_event_error_string(event).decode()
        result = c.c_void_p(library.rd_kafka_event_CreateTopics_result(event))
        count = c.c_size_t()
        topics = c.cast(library.rd_kafka_CreateTopics_result_topics(result, c.byref(count)), c.POINTER(c.c_void_p))
        first = c.c_void_p(topics[0])
        text = library.rd_kafka_topic_result_error_string(first)
        return library.rd_kafka_topic_result_error(first), text.decode() if text else ""

    def _answer(self, read):
        answer = self._metadata(kRequestTimeout_ms, read)
        if answer is None:
            raise KafkaAdminError("the broker does not answer")
        return answer

    def _metadata(self, timeout_ms: int, read):
        found = c.POINTER(_Metadata)()
        code = self._library.rd_kafka_metadata(self._client, 1, None, c.byref(found), timeout_ms)
        if code != 0:
            return None
        try:
            return read(found.contents)
        finally:
            self._library.rd_kafka_metadata_destroy(found)
