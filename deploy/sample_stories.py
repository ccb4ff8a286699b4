"""What happened to the three companies of the sample events: the life of their keys, an attack on a key, an agent that ran away,
and a customer list that left the house. Fixed to the second, so that the questions of the README have one answer.

Every story is a list of (tenant, family, action, source, time since the day's midnight, data). Each rule of
schemas/read-models.md, "api_key_anomalies", finds something in them.
"""

from __future__ import annotations

from datetime import timedelta

from sample_companies import Company, Key, kAcme, kCompanies, kGlobex, kUmbrella

kAttacker = "45.83.64.9"  # where the attack on acme comes from


def at(clock: str, *, days: int = 0, seconds: float = 0) -> timedelta:
    """hh:mm:ss of the day, or of another one so many days later (before it: negative)."""
    hours, minutes, whole = map(int, clock.split(":"))
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=whole + seconds)


def key_event(company: Company, action: str, time: timedelta, key: Key, **data) -> tuple:
    actor = {"type": "user" if key.type == "user" else "service", "id": key.owner}
    common = {"actor": actor, "status": "success", "client": {"type": "sdk", "ip": key.address, "user_agent": "openai-python/1.99"},
              "key": key.reference()}
    return company.tenant, "api_key", action, "key-service", time, common | data


def used(company: Company, time: timedelta, key: Key, ip: str | None = None, **data) -> tuple:
    request = {"request_path": "/v1/chat", "method": "POST", "response_code": 200, "response_bytes": 4096}
    if ip:
        request["client"] = {"type": "script", "ip": ip, "user_agent": "python-requests/2.32"}
    return key_event(company, "used", time, key, **{**request, **data})


def person(company: Company, name: str, ip: str | None = None) -> dict:
    return {"actor": {"type": "user", "id": name, "email": f"{name}@{company.tenant}.example"}, "status": "success",
            "department_id": company.departments[-1],
            "client": {"type": "web", "ip": ip or company.address(70), "user_agent": "Mozilla/5.0"}}


def lives_of_keys():
    """Every key is created; one waits for its rotation, one was rotated, one is past its end, one got more rights."""
    for company in kCompanies:
        for number, key in enumerate(company.keys):
            age = 20 if key.type == "integration" else 40  # days; an integration key lives for 30
            yield key_event(company, "created", at("08:00:00", days=-age, seconds=number), key,
                            permissions_after=["chat:write"], rpm_limit=600 if key.type == "service" else None)
    amara, old, crm = kAcme.key("key-acme-amara"), kUmbrella.key("key-umbrella-old"), kUmbrella.key("key-umbrella-crm")
    for day in range(-30, 0):  # her mornings
        for minute in range(4):
            yield used(kAcme, at(f"10:{7 * minute:02}:30", days=day), amara)
    yield key_event(kUmbrella, "rotated", at("09:00:00", days=-3), old, rotation_reason="moved to the new CRM")
    yield key_event(kUmbrella, "permission_changed", at("09:05:00", days=-3), crm, permissions_before=["chat:write"],
                    permissions_after=["chat:write", "customers:read"])
    yield key_event(kGlobex, "updated", at("09:10:00"), kGlobex.key("key-globex-platform"),
                    rotation_reason="older than a year", permissions_after=["chat:write", "keys:read"])


def attack_on_a_key():
    """acme, at night: someone tries six keys, gets into one, and shares it around. Security revokes it."""
    amara = kAcme.key("key-acme-amara")
    for number in range(18):
        prefix = f"{number % 6:08x}"
        yield (kAcme.tenant, "api_key", "auth_failed", "key-service", at("02:41:00", seconds=20 * number),
               {"actor": {"type": "anonymous"}, "status": "failure", "key": {"key_prefix": prefix}, "response_code": 401,
                "client": {"type": "script", "ip": kAttacker, "user_agent": "python-requests/2.32"}, "request_path": "/v1/models"})
    yield used(kAcme, at("02:52:10"), amara, kAttacker, request_path="/v1/models")
    for number in range(12):
        yield used(kAcme, at("03:05:00", seconds=95 * number), amara, f"45.83.{64 + number % 6}.9",
                   request_path="/v1/files", response_bytes=65_000)
    yield (kAcme.tenant, "escalation", "created", "guardrail", at("03:31:00"),
           person(kAcme, "bjorn.lindqvist") | {"kind": "guardrail", "reason_code": "stolen_key", "to": "security-on-call",
                                               "reason": "one key, six addresses, at night", "severity": "critical"})
    yield key_event(kAcme, "revoked", at("03:44:00"), amara, **person(kAcme, "divya.raman"))
    yield (kAcme.tenant, "admin", "account_disable", "console", at("03:46:00"),
           person(kAcme, "divya.raman") | {"resource": {"type": "user", "id": "amara.okafor"}, "reason": "her key was stolen"})


def runaway_agent():
    """globex, after lunch: the invoice reader asks for the same invoice until its key is taken away."""
    key = kGlobex.key("key-globex-invoices")
    agent = {"actor": {"type": "agent", "id": "invoice-reader"}, "agent_id": "invoice-reader", "department_id": "finance"}
    for number in range(330):
        yield used(kGlobex, at("14:05:00", seconds=number * 59 / 330), key, request_path="/v1/chat")
    for number in range(60):
        yield (kGlobex.tenant, "llm_call", "completed", "llm-gateway", at("14:05:00", seconds=number),
               agent | {"status": "success", "operation": "chat", "provider": "openai", "model": "gpt-4o", "route": "/v1/chat",
                        "latency_ms": 640, "http_status": 200, "cost_usd": "0.0315", "key": key.reference(),
                        "usage": {"input_tokens": 12_000, "output_tokens": 150, "total_tokens": 12_150, "basis": "inclusive"},
                        "input_summary": "Read invoice 4711 again"})
        yield (kGlobex.tenant, "tool_invocation", "failed", "mcp-gateway", at("14:05:00", seconds=number + 0.5),
               agent | {"status": "failure", "tool": {"name": "read_invoice", "type": "mcp", "server": "https://invoices.internal"},
                        "outcome": {"transport_status": 200, "tool_error": True}, "latency_ms": 30,
                        "args_summary": "invoice 4711", "error": {"type": "tool_error", "message": "no such invoice"}})
    for number in range(40):
        yield used(kGlobex, at("14:10:00", seconds=2.5 * number), key, response_code=503 if number % 10 < 7 else 200)
    human = person(kGlobex, "farid.haddad")
    for action, clock in (("created", "14:09:30"), ("accepted", "14:11:45"), ("resolved", "16:02:00")):
        yield (kGlobex.tenant, "escalation", action, "guardrail", at(clock),
               human | {"kind": "human_handoff", "from_agent_id": "invoice-reader", "to": "finance-on-call",
                        "reason_code": "loop_detected", "severity": "high"})
    yield key_event(kGlobex, "disabled", at("14:12:00"), key, **human)
    yield key_event(kGlobex, "enabled", at("16:00:00"), key, **human)


def customer_list_that_left():
    """umbrella-health, in the evening: page after page of the customer list, through a key made for synchronising."""
    crm = kUmbrella.key("key-umbrella-crm")
    for number in range(12):
        yield used(kUmbrella, at("19:10:00", seconds=150 * number), crm, request_path="/v1/customers/export", method="GET",
                   response_bytes=9_400_000)
    yield (kUmbrella.tenant, "admin", "data_export", "console", at("19:45:00"),
           person(kUmbrella, "jonas.weber") | {"resource": {"type": "customer_list", "id": "customers-eu"},
                                               "rows": 48_211, "bytes": 112_800_000, "reason": "quarterly reconciliation"})


def tell():
    """All stories."""
    for story in (lives_of_keys, attack_on_a_key, runaway_agent, customer_list_that_left):
        yield from story()
