"""The three companies of the sample events: their people, their keys, what they use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

kModels = [("openai", "gpt-4o-mini", "chat"), ("openai", "gpt-4o", "chat"), ("anthropic", "claude-sonnet-4", "chat"),
           ("google", "gemini-2.5-flash", "chat"), ("openai", "text-embedding-3-small", "embeddings")]
kTools = [("search_tickets", "mcp", "https://tickets.internal"), ("get_weather", "mcp", "https://weather.internal"),
          ("run_sql", "mcp", "https://warehouse.internal"), ("send_mail", "function", "https://mail.internal")]
kAgents = ["support-triage", "invoice-reader", "code-reviewer"]
kQuestions = ["Summarize the open incidents of this week", "Draft a reply to the delayed shipment complaint",
              "Explain the change in cloud spend since March", "Translate the onboarding guide into Portuguese"]


@dataclass(frozen=True)
class Key:
    key_id: str
    type: str
    name: str
    owner: str  # a person of a user key, a service of the others
    address: str  # where it is used from on ordinary days

    @property
    def prefix(self) -> str:
        return hashlib.sha256(self.key_id.encode()).hexdigest()[:8]

    def reference(self) -> dict:
        """The member `key` of an event."""
        return {"key_id": self.key_id, "key_prefix": self.prefix, "key_type": self.type, "name": self.name,
                "key_hash": hashlib.sha256(f"{self.key_id}/hash".encode()).hexdigest()}


@dataclass(frozen=True)
class Company:
    tenant: str
    network: str
    people: tuple[str, ...]
    departments: tuple[str, ...]
    keys: tuple[Key, ...]

    def address(self, host: int) -> str:
        return f"{self.network}.{host}"

    def key(self, key_id: str) -> Key:
        return next(key for key in self.keys if key.key_id == key_id)


kAcme = Company(
    "acme", "203.0.113", ("amara.okafor", "bjorn.lindqvist", "chen.wei", "divya.raman"), ("engineering", "support", "finance"),
    (Key("key-acme-batch", "service", "nightly batch", "batch-runner", "203.0.113.10"),
     Key("key-acme-chat", "service", "support chat", "support-chat", "203.0.113.11"),
     Key("key-acme-amara", "user", "amara's laptop", "amara.okafor", "203.0.113.20"),
     Key("key-acme-break-glass", "emergency", "break glass", "divya.raman", "203.0.113.21")))
kGlobex = Company(
    "globex", "198.51.100", ("elena.petrova", "farid.haddad", "grace.mbeki"), ("research", "finance", "operations"),
    (Key("key-globex-search", "service", "search", "search-api", "198.51.100.10"),
     Key("key-globex-invoices", "integration", "invoice reader", "invoice-reader", "198.51.100.12"),
     Key("key-globex-platform", "system", "platform", "platform", "198.51.100.13")))
kUmbrella = Company(
    "umbrella-health", "192.0.2", ("hiro.tanaka", "isabel.moreno", "jonas.weber"), ("care", "legal", "it"),
    (Key("key-umbrella-triage", "service", "triage", "triage-api", "192.0.2.10"),
     Key("key-umbrella-crm", "integration", "CRM sync", "crm-sync", "192.0.2.12"),
     Key("key-umbrella-old", "integration", "old CRM sync", "crm-sync", "192.0.2.13")))
kCompanies = (kAcme, kGlobex, kUmbrella)
