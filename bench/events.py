"""The events that the benchmarks send: about 800 bytes of JSON each, tenants by Zipf's law, times that rise over the last half
hour. All but the time follows from a seed."""

import itertools
import json
import random
from datetime import datetime, timedelta, timezone

kSpan = timedelta(minutes=30)
kFamilies = ["llm_call"] * 7 + ["tool_invocation"] * 2 + ["api_key"]
kActions = {"llm_call": "completed", "tool_invocation": "completed", "api_key": "used", "auth": "login"}
kManyPeople = (100_000, 1_000)  # users and keys of a tenant: nearly every event is another's
kFewPeople = (10, 3)
kWords = "an audit of every call that a model made with which key for whom and at what cost".split()


def tenants(count, exponent=1.0, seed=1):
    """An endless stream of tenant names; the n-th is drawn with weight 1 / n^exponent (0: uniform)."""
    names = [f"tenant-{number:07d}" for number in range(count)]
    weights = list(itertools.accumulate(1 / (number + 1) ** exponent for number in range(count)))
    dice = random.Random(seed)
    while True:
        yield from dice.choices(names, cum_weights=weights, k=10_000)


def data(family, dice, people=kManyPeople):
    """An event's data. people: how many users and keys a tenant has."""
    users, keys = people
    if family == "auth":
        return {"actor": {"type": "user", "id": f"u{dice.randrange(100)}"}, "status": "success", "method": "sso"}
    common = {"actor": {"type": "user", "id": f"u-{dice.randrange(users)}", "email": "amara.okafor@acme.example"},
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
    return common | {"key": {"key_id": f"key-{dice.randrange(keys)}", "key_hash": f"{dice.getrandbits(256):064x}",
                             "key_type": "service", "name": "batch jobs"},
                     "request_path": "/v1/chat/completions", "method": "POST", "response_code": 200,
                     "response_bytes": dice.randrange(200, 20_000)}


def _of_size(content, size, notes, dice):
    """The data with notes of 200 bytes, so that the event has about that size."""
    more = (size - 800) // 203
    return content | {"notes": dice.choices(notes, k=more)} if more > 0 else content


def lines(count, tenant_names, seed=1, size=800, people=kManyPeople):
    """`count` lines as kcat -K with a tab reads them: the tenant, a tab, a structured CloudEvent of about that many bytes.

    size: 200 is the least; what lies below 800 is logins, what lies above has notes, which are personal_detail.
    """
    dice = random.Random(seed)
    begin = datetime.now(timezone.utc) - kSpan
    notes = [" ".join(dice.choices(kWords, k=60))[:200] for _ in range(100)]
    for number, tenant in zip(range(count), tenant_names):
        family = dice.choice(kFamilies) if size >= 800 else "auth"
        time = (begin + kSpan * number / count).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        identity = f"01JB{number:012d}{dice.getrandbits(40):010x}"
        event = {"specversion": "1.0", "id": identity, "source": "bench", "type": f"audit.{family}.{kActions[family]}.v1",
                 "time": time, "tenantid": tenant, "data": _of_size(data(family, dice, people), size, notes, dice)}
        yield f"{tenant}\t{json.dumps(event, separators=(',', ':'))}\n"


def poisoned(records, share, seed=1):
    """The same lines, but that share of them lacks the attribute `source` and is refused."""
    dice = random.Random(seed)
    for line in records:
        yield line.replace('"source":"bench",', "", 1) if dice.random() < share else line


def repeated(sent, fresh, share, seed=1):
    """As many lines as `sent` has: that share of them from `sent`, in their order, the others from `fresh`."""
    dice = random.Random(seed)
    for line, other in zip(sent, fresh):
        yield line if dice.random() < share else other
