#!/usr/bin/env python3
r"""Sample events of all six families: a day of three small companies, as their gateways, agents and key services would send it,
with what went wrong on it (sample_stories.py), and the weeks of their keys before it.

    deploy/sample_events.py | kcat -P -b BROKER -t audit.events.v1 -K '\t' -X topic.partitioner=murmur2_random

One line an event: the tenant, a tab, a CloudEvent in structured mode. Same seed and day: the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from datetime import date, datetime, timedelta, timezone

import sample_stories
from sample_companies import Key, kAgents, kCompanies, kModels, kQuestions, kTools

kFamilyWeights = {"llm_call": 52, "tool_invocation": 22, "escalation": 5, "api_key": 8, "admin": 5, "auth": 8}
kHourWeights = [1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 10, 12, 14, 14, 12, 9, 6, 4, 3, 2, 2, 1]
kOrdinaryEvents = 1200


class Samples:
    """The events of `day` (in UTC) and what came before it. Everything follows from the seed and the day."""

    def __init__(self, seed: int, day: date):
        self._random = random.Random(seed)
        self._midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)

    def events(self) -> list[dict]:
        """All of them, oldest first."""
        told = [self._event(tenant, family, action, source, self._midnight + after, data)
                for tenant, family, action, source, after, data in sample_stories.tell()]
        return sorted(told + self._ordinary(), key=lambda event: (event["time"], event["id"]))

    def _ordinary(self) -> list[dict]:
        families = self._random.choices(list(kFamilyWeights), list(kFamilyWeights.values()), k=kOrdinaryEvents)
        hours = self._random.choices(range(24), kHourWeights, k=kOrdinaryEvents)
        return [self._ordinary_event(family, timedelta(hours=hour, seconds=self._random.uniform(0, 3599)))
                for family, hour in zip(families, hours)]

    def _ordinary_event(self, family: str, after: timedelta) -> dict:
        company = self._random.choice(kCompanies)
        person = self._random.choice(company.people)
        action, source, own = getattr(self, f"_{family}")(company)
        common = {
            "actor": {"type": "user", "id": person, "email": f"{person}@{company.tenant}.example"},
            "department_id": self._random.choice(company.departments),
            "session_id": f"s-{self._hex(12)}",
            "client": {"type": self._random.choice(["web", "cli", "sdk"]), "ip": company.address(self._number(2, 60)),
                       "user_agent": self._random.choice(["openai-python/1.99", "Mozilla/5.0", "curl/8.5"])},
            "status": "success",
        }
        return self._event(company.tenant, family, action, source, self._midnight + after, {**common, **own})

    def _event(self, tenant: str, family: str, action: str, source: str, time: datetime, data: dict) -> dict:
        return {"specversion": "1.0", "id": self._event_id(time), "source": source, "type": f"audit.{family}.{action}.v1",
                "time": time.isoformat(timespec="microseconds").replace("+00:00", "Z"), "tenantid": tenant,
                "datacontenttype": "application/json",
                "traceparent": f"00-{self._hex(32)}-{self._hex(16)}-01", "data": data}

    def _llm_call(self, company) -> tuple[str, str, dict]:
        provider, model, operation = self._random.choice(kModels)
        question = self._random.choice(kQuestions)
        tokens_in, tokens_out = self._number(40, 9000), 0 if operation == "embeddings" else self._number(10, 1500)
        call = {"operation": operation, "provider": provider, "model": model, "route": f"/v1/{operation}",
                "latency_ms": self._number(180, 9000), "stream": self._random.random() < 0.6, "attempt": 1,
                "input_summary": question, "key": self._key(company).reference()}
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

    def _tool_invocation(self, company) -> tuple[str, str, dict]:
        name, kind, server = self._random.choice(kTools)
        failed = self._random.random() < 0.08
        call = {"tool": {"name": name, "type": kind, "server": server, "call_id": f"call_{self._hex(16)}"},
                "outcome": {"transport_status": 200, "tool_error": failed}, "agent_id": self._random.choice(kAgents),
                "args_digest": self._hex(64), "result_digest": self._hex(64), "args_bytes": self._number(20, 900),
                "result_bytes": self._number(20, 40000), "latency_ms": self._number(5, 4000),
                "args_summary": f"{name} for {company.tenant}"}
        if failed:
            call |= {"status": "failure", "error": {"type": "tool_error", "message": "the tool reported an error"}}
        return ("failed" if failed else "completed"), "mcp-gateway", call

    def _escalation(self, _company) -> tuple[str, str, dict]:
        return (self._random.choice(["created", "accepted", "resolved"]), "agent-runtime",
                {"kind": self._random.choice(["human_handoff", "agent_handoff", "guardrail", "approval"]),
                 "from_agent_id": self._random.choice(kAgents), "to": "support-tier-2", "reason_code": "low_confidence",
                 "reason": "the customer asked twice for the same refund", "severity": "medium",
                 "conversation_id": f"c-{self._hex(12)}"})

    def _api_key(self, company) -> tuple[str, str, dict]:
        key = self._key(company)
        return "used", "key-service", {
            "actor": {"type": "service", "id": key.owner}, "key": key.reference(), "request_path": "/v1/chat", "method": "POST",
            "client": {"type": "sdk", "ip": key.address, "user_agent": "openai-python/1.99"},
            "response_code": self._random.choices([200, 429, 500], [96, 2, 2])[0],
            "response_bytes": self._number(200, 20000)}

    def _admin(self, _company) -> tuple[str, str, dict]:
        action, resource = self._random.choice([("role_change", "membership"), ("config_change", "route"),
                                                ("data_export", "report"), ("policy_publish", "policy")])
        event = {"resource": {"type": resource, "id": f"{resource}-{self._number(1, 40)}"},
                 "reason": "requested in the weekly review"}
        if action == "role_change":
            event |= {"before": {"role": "viewer"}, "after": {"role": "editor"}}
        elif action == "data_export":
            event |= {"rows": self._number(10, 5000), "bytes": self._number(2000, 900000)}
        return action, "console", event

    def _auth(self, _company) -> tuple[str, str, dict]:
        action = self._random.choices(["login", "logout", "mfa_verify"], [6, 3, 2])[0]
        event = {"method": self._random.choice(["sso", "password", "oauth"]), "mfa": True, "idp": "corporate"}
        if action == "login" and self._random.random() < 0.1:
            event |= {"status": "failure", "failure_code": "wrong_password"}
        return action, "identity", event

    def _key(self, company) -> Key:
        return self._random.choice([key for key in company.keys if key.type == "service"])

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


def yesterday() -> date:
    """The last day that is over."""
    return datetime.now(timezone.utc).date() - timedelta(days=1)


def line(event: dict) -> str:
    """What kcat -K with a tab reads: the key, a tab, the value."""
    return f"{event['tenantid']}\t{json.dumps(event, separators=(',', ':'))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=date.fromisoformat, help="in UTC; default: yesterday")
    arguments = parser.parse_args()
    for event in Samples(arguments.seed, arguments.day or yesterday()).events():
        print(line(event), end="")


if __name__ == "__main__":
    main()
