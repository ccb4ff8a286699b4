#!/usr/bin/env python3
r"""Sample events of all six families, as the gateways, agents and key services of five small companies would send them.

    deploy/sample_events.py --count 1200 --seed 1 | kcat -P -b BROKER -t audit.events.v1 -K '\t' -X topic.partitioner=murmur2_random

One line an event: the tenant, a tab, a CloudEvent in structured mode. Same count, seed and end: the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

kTenants = ["acme", "globex", "initech", "umbrella-health", "stark.industries"]
kDepartments = ["engineering", "support", "finance", "legal", "research"]
kPeople = ["amara.okafor", "bjorn.lindqvist", "chen.wei", "divya.raman", "elena.petrova", "farid.haddad",
           "grace.mbeki", "hiro.tanaka", "isabel.moreno", "jonas.weber"]
kModels = [("openai", "gpt-4o-mini", "chat"), ("openai", "gpt-4o", "chat"), ("anthropic", "claude-sonnet-4", "chat"),
           ("google", "gemini-2.5-flash", "chat"), ("openai", "text-embedding-3-small", "embeddings")]
kTools = [("search_tickets", "mcp", "https://tickets.internal"), ("get_weather", "mcp", "https://weather.internal"),
          ("run_sql", "mcp", "https://warehouse.internal"), ("send_mail", "function", "https://mail.internal")]
kAgents = ["support-triage", "invoice-reader", "code-reviewer"]
kQuestions = ["Summarize the open incidents of this week", "Draft a reply to the delayed shipment complaint",
              "Explain the change in cloud spend since March", "Translate the onboarding guide into Portuguese"]
kFamilyWeights = {"llm_call": 52, "tool_invocation": 22, "escalation": 5, "api_key": 8, "admin": 5, "auth": 8}
kSpan = timedelta(hours=2)


class Samples:
    """A stream of events that end at `end`. Everything follows from the seed and the end."""

    def __init__(self, seed: int, end: datetime):
        self._random = random.Random(seed)
        self._end = end

    def events(self, count: int) -> Iterator[dict]:
        """`count` events, oldest first; the first six show one family each."""
        families = list(kFamilyWeights)
        weights = list(kFamilyWeights.values())
        for number in range(count):
            family = families[number] if number < len(families) else self._random.choices(families, weights)[0]
            yield self._event(family, self._end - kSpan * (count - number) / count)

    def _event(self, family: str, time: datetime) -> dict:
        tenant = self._random.choice(kTenants)
        person = self._random.choice(kPeople)
        action, source, own = getattr(self, f"_{family}")(tenant)
        common = {
            "actor": {"type": "user", "id": person, "email": f"{person}@{tenant.replace('.', '-')}.example"},
            "department_id": self._random.choice(kDepartments),
            "session_id": f"s-{self._hex(12)}",
            "client": {"type": self._random.choice(["web", "cli", "sdk"]), "ip": f"203.0.113.{self._number(1, 254)}",
                       "user_agent": self._random.choice(["openai-python/1.99", "Mozilla/5.0", "curl/8.5"])},
            "status": "success",
        }
        return {"specversion": "1.0", "id": self._event_id(time), "source": source, "type": f"audit.{family}.{action}.v1",
                "time": time.isoformat(timespec="microseconds").replace("+00:00", "Z"), "tenantid": tenant,
                "datacontenttype": "application/json",
                "traceparent": f"00-{self._hex(32)}-{self._hex(16)}-01", "data": {**common, **own}}

    def _llm_call(self, tenant: str) -> tuple[str, str, dict]:
        provider, model, operation = self._random.choice(kModels)
        question = self._random.choice(kQuestions)
        tokens_in, tokens_out = self._number(40, 9000), 0 if operation == "embeddings" else self._number(10, 1500)
        call = {"operation": operation, "provider": provider, "model": model, "route": f"/v1/{operation}",
                "latency_ms": self._number(180, 9000), "stream": self._random.random() < 0.6, "attempt": 1,
                "input_summary": question, "key": self._key(tenant)}
        outcome = self._random.choices(["completed", "failed", "blocked"], [93, 4, 3])[0]
        if outcome == "completed":
            call |= {"response_id": f"chatcmpl-{self._hex(24)}", "http_status": 200, "finish_reasons": ["stop"],
                     "ttft_ms": self._number(60, 180), "cost_usd": f"{(tokens_in + 4 * tokens_out) * 0.00000015:.9f}",
                     "usage": {"input_tokens": tokens_in, "output_tokens": tokens_out,
                               "total_tokens": tokens_in + tokens_out,
                               "basis": "exclusive" if provider == "anthropic" else "inclusive"},
                     "digest": {"alg": "sha-256", "request": self._digest(question), "response": self._hex(64)}}
        elif outcome == "failed":
            call |= {"status": "failure", "http_status": 429,
                     "error": {"type": "rate_limit", "code": "429", "message": "rate limit reached for this model"}}
        else:
            call |= {"status": "denied", "http_status": 403,
                     "policies_hit": [{"policy_id": "pii-outbound", "rule_id": "iban", "verdict": "match",
                                       "action": "block", "severity": "high"}]}
        return outcome, "llm-gateway", call

    def _tool_invocation(self, tenant: str) -> tuple[str, str, dict]:
        name, kind, server = self._random.choice(kTools)
        failed = self._random.random() < 0.08
        call = {"tool": {"name": name, "type": kind, "server": server, "call_id": f"call_{self._hex(16)}"},
                "outcome": {"transport_status": 200, "tool_error": failed}, "agent_id": self._random.choice(kAgents),
                "args_digest": self._hex(64), "result_digest": self._hex(64), "args_bytes": self._number(20, 900),
                "result_bytes": self._number(20, 40000), "latency_ms": self._number(5, 4000),
                "args_summary": f"{name} for {tenant}"}
        if failed:
            call |= {"status": "failure", "error": {"type": "tool_error", "message": "the tool reported an error"}}
        return ("failed" if failed else "completed"), "mcp-gateway", call

    def _escalation(self, _tenant: str) -> tuple[str, str, dict]:
        return (self._random.choice(["created", "accepted", "resolved"]), "agent-runtime",
                {"kind": self._random.choice(["human_handoff", "agent_handoff", "guardrail", "approval"]),
                 "from_agent_id": self._random.choice(kAgents), "to": "support-tier-2", "reason_code": "low_confidence",
                 "reason": "the customer asked twice for the same refund", "severity": "medium",
                 "conversation_id": f"c-{self._hex(12)}"})

    def _api_key(self, tenant: str) -> tuple[str, str, dict]:
        action = self._random.choices(["used", "created", "rotated", "revoked"], [80, 8, 8, 4])[0]
        event = {"key": {**self._key(tenant), "key_type": "service", "name": f"{tenant} batch jobs"}}
        if action == "used":
            event |= {"request_path": "/v1/chat", "method": "POST", "response_code": 200,
                      "response_bytes": self._number(200, 20000)}
        elif action == "rotated":
            event |= {"rotation_reason": "quarterly rotation"}
        return action, "key-service", event

    def _admin(self, _tenant: str) -> tuple[str, str, dict]:
        action, resource = self._random.choice([("role_change", "membership"), ("config_change", "route"),
                                                ("data_export", "report"), ("policy_publish", "policy")])
        event = {"resource": {"type": resource, "id": f"{resource}-{self._number(1, 40)}"},
                 "reason": "requested in the weekly review"}
        if action == "role_change":
            event |= {"before": {"role": "viewer"}, "after": {"role": "editor"}}
        elif action == "data_export":
            event |= {"rows": self._number(10, 5000), "bytes": self._number(2000, 900000)}
        return action, "console", event

    def _auth(self, _tenant: str) -> tuple[str, str, dict]:
        action = self._random.choices(["login", "logout", "mfa_verify"], [6, 3, 2])[0]
        event = {"method": self._random.choice(["sso", "password", "oauth"]), "mfa": True, "idp": "corporate"}
        if action == "login" and self._random.random() < 0.1:
            event |= {"status": "failure", "failure_code": "wrong_password"}
        return action, "identity", event

    def _key(self, tenant: str) -> dict:
        number = self._number(1, 6)
        return {"key_id": f"key-{tenant}-{number}", "key_hash": self._digest(f"{tenant}/{number}")}

    def _event_id(self, time: datetime) -> str:
        """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then what the seed gives."""
        milliseconds = int(time.timestamp() * 1000)
        tail = self._random.getrandbits(74)
        value = milliseconds << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & (1 << 62) - 1
        text = f"{value:032x}"
        return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])

    def _number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    @staticmethod
    def _digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()


def line(event: dict) -> str:
    """What kcat -K with a tab reads: the key, a tab, the value."""
    return f"{event['tenantid']}\t{json.dumps(event, separators=(',', ':'))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--end", type=datetime.fromisoformat, help="time of the last event, with its zone; default: now")
    arguments = parser.parse_args()
    samples = Samples(arguments.seed, arguments.end or datetime.now(timezone.utc))
    for event in samples.events(arguments.count):
        print(line(event), end="")


if __name__ == "__main__":
    main()
