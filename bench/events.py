"""The events that the benchmarks send: about 800 bytes of JSON each, tenants by Zipf's law, times that rise over the last half
hour. All but the time follows from a seed."""

import itertools
import json
import random
from datetime import datetime, timedelta, timezone

kSpan = timedelta(minutes=30)
kFamilies = ["llm_call"] * 7 + ["tool_invocation"] * 2 + ["api_key"]
kActions = {"llm_call": "completed", "tool_invocation": "completed", "api_key": "used"}


def tenants(count, exponent=1.0, seed=1):
    """An endless stream of tenant names; the n-th is drawn with weight 1 / n^exponent (0: uniform)."""
    names = [f"tenant-{number:07d}" for number in range(count)]
    weights = list(itertools.accumulate(1 / (number + 1) ** exponent for number in range(count)))
    dice = random.Random(seed)
    while True:
        yield from dice.choices(names, cum_weights=weights, k=10_000)


def data(family, dice):
    """An event's data."""
    common = {"actor": {"type": "user", "id": f"u-{dice.randrange(100_000)}", "email": "amara.okafor@acme.example"},
              "department_id": "engineering", "session_id": f"s-{dice.getrandbits(48):012x}", "status": "success",
              "client": {"type": "sdk", "ip": f"203.0.113.{dice.randrange(1, 255)}", "user_agent": "openai-python/1.99"}}
    if family == "llm_call":
        tokens = dice.randrange(10, 4_000)
        return common | {"operation": "chat", "provider": "openai", "model": "gpt-4o-mini", "route": "default",
                         "usage": {"input_tokens": tokens, "output_tokens": 180, "total_tokens": tokens + 180,
                                   "basis": "inclusive"},
                         "cost_usd": f"0.{dice.randrange(10**6):06d}", "latency_ms": dice.randrange(200, 9_000),
                         "policies_hit": [{"policy_id": "pii-basic", "verdict": "allow"}],
                         "digest": {"alg": "sha256", "request": f"{dice.getrandbits(128):032x}"},
                         "input_summary": "Summarize the open incidents of this week"}
    if family == "tool_invocation":
        return common | {"tool": {"name": "search_tickets", "type": "mcp", "server": "https://tickets.internal",
                                  "call_id": f"call_{dice.getrandbits(64):016x}"},
                         "outcome": {"transport_status": 200, "tool_error": False}, "latency_ms": dice.randrange(5, 4_000),
                         "args_digest": f"{dice.getrandbits(256):064x}", "result_digest": f"{dice.getrandbits(256):064x}",
                         "args_bytes": 120, "result_bytes": 4_000, "args_summary": "open tickets of the week"}
    return common | {"key": {"key_id": f"key-{dice.randrange(1_000)}", "key_hash": f"{dice.getrandbits(256):064x}",
                             "key_type": "service", "name": "batch jobs"},
                     "request_path": "/v1/chat/completions", "method": "POST", "response_code": 200,
                     "response_bytes": dice.randrange(200, 20_000)}


def lines(count, tenant_names, seed=1):
    """`count` lines as kcat -K with a tab reads them: the tenant, a tab, a structured CloudEvent."""
    dice = random.Random(seed)
    begin = datetime.now(timezone.utc) - kSpan
    for number, tenant in zip(range(count), tenant_names):
        family = dice.choice(kFamilies)
        time = (begin + kSpan * number / count).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        identity = f"01JB{number:012d}{dice.getrandbits(40):010x}"
        event = {"specversion": "1.0", "id": identity, "source": "bench", "type": f"audit.{family}.{kActions[family]}.v1",
                 "time": time, "tenantid": tenant, "data": data(family, dice)}
        yield f"{tenant}\t{json.dumps(event, separators=(',', ':'))}\n"
