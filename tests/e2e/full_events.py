"""Events of all six families that together fill every column of the ledger."""

from producers import event


def full_events(tenant):
    """Six structured CloudEvents with every member that has a column."""
    common = {"actor": {"type": "user", "id": "u-1", "email": "ada@example.com", "name": "Ada"}, "on_behalf_of": "u-2",
              "department_id": "d-1", "session_id": "s-1",
              "client": {"type": "cli", "ip": "192.0.2.7", "user_agent": "curl/8"}, "status": "failure",
              "error": {"type": "timeout", "code": "504", "message": "no answer"}, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
              "span_id": "00f067aa0ba902b7", "agent_id": "agent-1", "detail": {"ticket": "T-1"}, "latency_ms": 812}
    return [
        event(tenant, family="llm_call", action="failed", subject="conversation-1", data=common | {
            "operation": "chat", "provider": "anthropic", "model": "claude", "request_model": "claude-latest", "route": "eu-1",
            "response_id": "r-1", "usage": {"input_tokens": 10, "output_tokens": 20, "total_tokens": 33, "cache_read_tokens": 1,
                                            "cache_write_tokens": 2, "reasoning_tokens": 3, "basis": "exclusive"},
            "cost_usd": "0.00022500000000000002", "ttft_ms": 91, "http_status": 504, "finish_reasons": ["stop"],
            "digest": {"alg": "sha256", "request": "ab", "response": "cd"}, "input_summary": "asks", "output_summary": "tells",
            "policies_hit": [{"policy_id": "p-1", "rule_id": "r-1", "verdict": "deny"}],
            "tools_called": [{"name": "search", "call_id": "c-1"}], "tags": ["beta"], "temperature": 1.0}),
        event(tenant, family="tool_invocation", action="failed", data=common | {
            "tool": {"name": "search", "type": "mcp", "server": "https://tools.example.com/v1", "call_id": "c-1"},
            "outcome": {"transport_status": "200", "rpc_error_code": -32603, "tool_error": True}, "args_summary": "q",
            "result_summary": "none"}),
        event(tenant, family="escalation", action="created", data=common | {
            "kind": "human_handoff", "reason_code": "refund", "reason": "wants a person", "to": "team-1"}),
        event(tenant, family="api_key", action="used", data=common | {
            "key": {"key_id": "k-1", "key_prefix": "msys_ab", "key_hash": "0" * 63 + "a", "key_type": "service", "name": "ci"},
            "request_path": "/v1/chat", "method": "POST", "response_code": 200, "response_bytes": 1234}),
        event(tenant, family="admin", action="role_change", data=common | {
            "resource": {"type": "user", "id": "u-3"}, "before": {"role": "reader"}, "after": {"role": "admin"}, "rows": 1}),
        event(tenant, family="auth", action="login", data=common | {"method": "sso", "mfa": True, "idp": "corp"}),
    ]
