"""The members of events as data: what each may hold and where it is stored (schemas/rules.md, "From event to columns").

A destination is "column:<name>" or "detail" (not personal) or "personal" (personal_detail).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    kind: str  # a key of members.READERS
    to: str
    bound: int | None = None  # bytes of UTF-8; of an object or array the bytes of its JSON; of a list its items
    cut: bool = False
    one_of: tuple = ()
    required: bool = False
    known: tuple = ()  # of an object or of a list's items: the members that are kept in the column


TEXT_BOUND = 256  # where the contract names none
LIST_BOUND = 1000


def text(to, bound=TEXT_BOUND, **more):
    return Member("text", to, bound, **more)


def column(name):
    return f"column:{name}"


ACTOR_TYPES = ("user", "service", "api_key", "agent", "end_user", "system", "anonymous")
KEY_TYPES = ("system", "user", "service", "integration", "emergency", "other")

COMMON = {
    "actor.type": text(column("actor_type"), one_of=ACTOR_TYPES, required=True),
    "actor.id": text(column("user_id"), 128),
    "actor.email": text(column("user_email"), 254),
    "actor.name": text(column("user_name"), 128),
    "on_behalf_of": text(column("on_behalf_of"), 128),
    "department_id": text(column("department_id"), 64),
    "session_id": text(column("session_id"), 128),
    "client.type": text(column("client_type"), 32),
    "client.ip": Member("ip", column("client_ip")),
    "client.user_agent": text(column("user_agent"), 512, cut=True),
    "status": text(column("status"), one_of=("success", "failure", "partial", "denied"), required=True),
    "error.type": text(column("error_type"), 128),
    "error.code": text(column("error_code"), 32),
    "error.message": text(column("error_message"), 1024, cut=True),
    "trace_id": text(column("trace_id"), 64),
    "span_id": text(column("span_id"), 64),
    "agent_id": text(column("agent_id"), 64),
    "detail": Member("object", "personal", 32 * 1024),
}

KEY = {
    "key.key_id": text(column("key_id"), 48),
    "key.key_prefix": text(column("key_prefix"), 8),
    "key.key_hash": Member("hash", column("key_hash")),
    "key.name": text("personal"),
    "key.key_type": text(column("key_type"), one_of=KEY_TYPES),
}

USAGE_COUNTS = ("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens",
                "reasoning_tokens")

LLM_CALL = {
    "operation": text(column("operation"), 32, required=True),
    "provider": text(column("provider"), 64, required=True),
    "model": text(column("model"), 256, required=True),
    "request_model": text("detail"),
    "route": text(column("route"), 128),
    "response_id": text(column("response_id"), 256),
    **{f"usage.{name}": Member("int", column(name)) for name in USAGE_COUNTS},
    "usage.basis": text(column("usage_basis"), one_of=("inclusive", "exclusive")),
    "cost_usd": Member("money", column("cost_usd")),
    "latency_ms": Member("int", column("latency_ms"), required=True),
    "ttft_ms": Member("int", "detail"),
    "stream": Member("bool", "detail"),
    "cache_hit": Member("bool", "detail"),
    "attempt": Member("int", "detail"),
    "http_status": Member("int", column("http_status")),
    "finish_reasons": Member("texts", "detail", LIST_BOUND),
    **KEY,
    "digest": Member("object", column("digest"), known=("alg", "request", "response")),
    "input_summary": text(column("input_summary"), 1000, cut=True),
    "output_summary": text(column("output_summary"), 1000, cut=True),
    "policies_hit": Member("pairs", column("policies_hit"), 64,
                           known=("policy_id", "rule_id", "code", "verdict", "action", "severity")),
    "tools_called": Member("pairs", column("tools_called"), 128, known=("name", "call_id")),
    "tags": Member("texts", "personal", LIST_BOUND),
}

TOOL_INVOCATION = {
    "tool.name": text(column("tool_name"), 256, required=True),
    "tool.type": text(column("tool_type")),
    "tool.server": Member("server", column("tool_server"), 256),
    "tool.call_id": text(column("tool_call_id"), 128),
    "outcome.transport_status": Member("text_or_int", "detail", TEXT_BOUND),
    "outcome.rpc_error_code": Member("signed", "detail"),
    "outcome.tool_error": Member("bool", column("tool_error"), required=True),
    "args_digest": text("detail"),
    "result_digest": text("detail"),
    "args_bytes": Member("int", "detail"),
    "result_bytes": Member("int", "detail"),
    "args_summary": text(column("input_summary"), 500, cut=True),
    "result_summary": text(column("output_summary"), 500, cut=True),
    "decision": text("detail"),
    "cost_usd": Member("money", column("cost_usd")),
    "latency_ms": Member("int", column("latency_ms"), required=True),
}

ESCALATION = {
    "kind": text("detail", one_of=("human_handoff", "agent_handoff", "guardrail", "approval"), required=True),
    "from_agent_id": text("detail"),
    "to": text("personal", 128),
    "reason_code": text("detail", 64, required=True),
    "reason": text("personal", 500, cut=True),
    "conversation_id": text("personal", 128),
    "severity": text("detail"),
    "source_event_id": text("detail"),
}

API_KEY = {
    **KEY,
    "request_path": Member("path", column("request_path"), 512),
    "method": text("detail"),
    "response_code": Member("int", column("response_code")),
    "response_bytes": Member("int", column("response_bytes")),
    "expires_at": Member("time", "detail"),
    "grace_period_end": Member("time", "detail"),
    "rotation_reason": text("personal", 256),
    "permissions_before": Member("texts", "detail", LIST_BOUND),
    "permissions_after": Member("texts", "detail", LIST_BOUND),
    "rpm_limit": Member("int", "detail"),
}

ADMIN = {
    "resource.type": text(column("resource_type"), 50, required=True),
    "resource.id": text(column("resource_id"), 128),
    "before": Member("any", "personal", 16 * 1024),
    "after": Member("any", "personal", 16 * 1024),
    "reason": text("personal", 256),
    "rows": Member("int", "detail"),
    "bytes": Member("int", "detail"),
    "erased_seqs": Member("ranges", "detail", LIST_BOUND),
}

AUTH = {
    "method": text("detail", one_of=("qrcode", "sso", "password", "api_key", "mtls", "oauth"), required=True),
    "mfa": Member("text_or_bool", "detail", 64),
    "failure_code": text("detail", 64),
    "idp": text("detail", 64),
}

FAMILIES = {
    "llm_call": (("completed", "failed", "blocked"), LLM_CALL),
    "tool_invocation": (("completed", "failed", "denied", "input_required"), TOOL_INVOCATION),
    "escalation": (("created", "accepted", "resolved"), ESCALATION),
    "api_key": (("created", "updated", "rotated", "revoked", "disabled", "enabled", "expired", "used", "auth_failed",
                 "permission_changed"), API_KEY),
    "admin": (None, ADMIN),
    "auth": (("login", "logout", "mfa_bind", "mfa_verify", "mfa_reset", "lockout"), AUTH),
}
NO_OUTPUT_TOKENS = ("embeddings", "image", "audio", "rerank")
