"""Records for tests: one event of each family in binary mode, and an in-memory log that hands out offsets."""

import json
from dataclasses import replace

from decode import KafkaRecord
from kafka_log import PartitionLog

TOPIC = "audit.events.v1"
OCTOBER_2_MS = 1_790_899_200_000

ACTOR = {"type": "user", "id": "u-1001", "email": "ada@example.org", "name": "Ada"}
DATA = {
    "llm_call.completed": {
        "actor": ACTOR, "status": "success", "operation": "chat", "provider": "anthropic", "model": "claude-sonnet-4",
        "usage": {"input_tokens": 120, "output_tokens": "40", "total_tokens": 160, "basis": "exclusive"},
        "cost_usd": "0.00096", "latency_ms": 812, "ttft_ms": 95, "stream": True, "client": {"ip": "192.0.2.7:4711"},
        "digest": {"alg": "sha256", "request": "ab", "response": "cd"}, "input_summary": "hello", "tags": ["a", "b"],
        "policies_hit": [{"policy_id": "p1", "verdict": "allow", "extra": 1}], "new_member": {"a": 1.5}},
    "tool_invocation.failed": {
        "actor": {"type": "agent", "id": "agent-7"}, "status": "failure", "agent_id": "agent-7", "latency_ms": 12,
        "tool": {"name": "search", "server": "https://mcp.example.org/v1?x=1", "call_id": "c1"},
        "outcome": {"transport_status": "ok", "rpc_error_code": -32602, "tool_error": True}, "args_summary": "q"},
    "escalation.created": {
        "actor": {"type": "system", "id": "router"}, "status": "success", "kind": "human_handoff",
        "reason_code": "low_confidence", "reason": "asked for a person", "to": "desk-2"},
    "api_key.used": {
        "actor": {"type": "api_key", "id": "k-1"}, "status": "success", "request_path": "/v1/chat?key=1",
        "key": {"key_id": "k-1", "key_prefix": "msys_ab", "key_type": "service", "name": "build"},
        "response_code": 200, "response_bytes": 5120, "method": "POST"},
    "admin.role_change": {
        "actor": ACTOR, "status": "success", "resource": {"type": "role", "id": "r-9"}, "before": {"role": "a"},
        "after": {"role": "b"}, "rows": 1},
    "auth.login": {
        "actor": {"type": "anonymous"}, "status": "denied", "method": "password", "failure_code": "bad_password",
        "client": {"ip": "2001:db8::1", "user_agent": "curl/8"}},
}


class MemoryLog:
    """A Kafka topic in memory. publish returns the record as a consumer would see it."""

    def __init__(self, partitions=2):
        self.logs = {(TOPIC, partition): PartitionLog(0, 0) for partition in range(partitions)}
        self._count = 0

    def publish(self, kind="auth.login", tenant="acme", partition=0, event_id=None, data=None, **overrides):
        """One event in binary mode; overrides replace fields of the record (key, value, headers)."""
        number, self._count = self._count, self._count + 1
        log = self.logs[TOPIC, partition]
        headers = [("ce_specversion", "1.0"), ("ce_id", event_id or f"01JB{number:022d}"), ("ce_source", "gateway"),
                   ("ce_type", f"audit.{kind}.v1"), ("ce_time", "2026-10-02T00:00:00.123456789Z"), ("ce_tenantid", tenant),
                   ("content-type", "application/json")]
        record = KafkaRecord(TOPIC, 0, partition, log.end, OCTOBER_2_MS + number, tenant.encode(),
                             json.dumps(DATA[kind] if data is None else data).encode(),
                             tuple((name.encode(), value.encode()) for name, value in headers))
        record = replace(record, **overrides)
        log.records[log.end] = record
        log.end += 1
        return record

    def control_record(self, partition=0):
        """An offset that no consumer sees; returns it."""
        log = self.logs[TOPIC, partition]
        log.end += 1
        return log.end - 1
