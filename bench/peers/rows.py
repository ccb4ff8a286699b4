"""One event in the forms that the sinks need. A row holds what Sealstream's ledger holds for it, but for what only Sealstream
writes: the chain, the position in Kafka, the digest of the record and the version of the rules."""

import json

kIntegers = {"schema_version", "latency_ms", "input_tokens", "output_tokens", "total_tokens", "response_code", "response_bytes"}
kJson = {"digest", "policies_hit", "detail", "personal_detail"}
kColumns = ("tenant_id", "event_id", "family", "action", "schema_version", "source", "event_time", "status", "actor_type",
            "department_id", "client_type", "latency_ms", "operation", "provider", "model", "route", "input_tokens",
            "output_tokens", "total_tokens", "usage_basis", "cost_usd", "tool_name", "tool_type", "tool_server", "tool_call_id",
            "tool_error", "key_id", "key_hash", "key_type", "request_path", "response_code", "response_bytes", "digest",
            "policies_hit", "detail", "user_id", "user_email", "session_id", "client_ip", "user_agent", "input_summary",
            "personal_detail")
kDetail = ("args_digest", "result_digest", "args_bytes", "result_bytes", "method")
kNothing = {}


def row(event):
    """The values of kColumns, None where the event has none; JSON columns as objects."""
    data = event["data"]
    get = data.get
    actor, client, usage = data["actor"].get, data["client"].get, get("usage", kNothing).get
    tool, key, outcome = get("tool", kNothing).get, get("key", kNothing).get, get("outcome")
    _, family, action, version = event["type"].split(".")
    detail = {name: data[name] for name in kDetail if name in data}
    tool_error = None
    if outcome:
        tool_error = outcome["tool_error"]
        detail["outcome"] = {name: value for name, value in outcome.items() if name != "tool_error"}
    personal = {"data": {"key": {"name": key("name")}}} if "name" in get("key", kNothing) else None
    return (event["tenantid"], event["id"], family, action, int(version[1:]), event["source"], event["time"], data["status"],
            actor("type"), get("department_id"), client("type"), get("latency_ms"), get("operation"), get("provider"),
            get("model"), get("route"), usage("input_tokens"), usage("output_tokens"), usage("total_tokens"), usage("basis"),
            get("cost_usd"), tool("name"), tool("type"), tool("server"), tool("call_id"), tool_error, key("key_id"),
            key("key_hash"), key("key_type"), get("request_path"), get("response_code"), get("response_bytes"), get("digest"),
            get("policies_hit"), detail or None, actor("id"), actor("email"), get("session_id"),
            client("ip"), client("user_agent"), get("input_summary", get("args_summary")), personal)


def flat(event):
    """An object whose members are the columns, as jsonb_populate_recordset takes it."""
    return {name: value for name, value in zip(kColumns, row(event)) if value is not None}


def strings(event):
    """The same with every JSON column as a string that holds JSON, as Kafka Connect takes it."""
    return {name: json.dumps(value) if name in kJson else value for name, value in flat(event).items()}


def connect_schema():
    """What Kafka Connect's JsonConverter must be told of that form (schema.content)."""
    names = {"event_time": "io.debezium.time.ZonedTimestamp", **dict.fromkeys(kJson, "io.debezium.data.Json")}

    def field(column):
        kind = "int64" if column in kIntegers else "boolean" if column == "tool_error" else "string"
        return {"field": column, "type": kind, "optional": True, **({"name": names[column]} if column in names else {})}

    return {"type": "struct", "name": "event", "optional": False, "fields": [field(column) for column in kColumns]}
