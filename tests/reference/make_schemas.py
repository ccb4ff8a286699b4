"""Writes schemas/events/*.schema.json (JSON Schema, draft 2020-12) from families.py, so that what publishers read and
what the second decoder checks are one table.

Run `python tests/reference/make_schemas.py` to write the files, with --check to compare instead (exit 1 when one
differs). JSON Schema counts characters and the contract counts bytes of UTF-8: maxLength is a necessary bound, and
x-maxBytes is the contract's.
"""

import json
import sys
from pathlib import Path

from families import COMMON, FAMILIES, LIST_BOUND, NO_OUTPUT_TOKENS, TEXT_BOUND, USAGE_COUNTS

FOLDER = Path(__file__).resolve().parents[2] / "schemas" / "events"
BASE = "https://sealstream.example/schemas/events/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

TIME = (r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
        r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$")

TITLES = {
    "llm_call": "A call of a language model, as a gateway or an agent made it",
    "tool_invocation": "A call of a tool, MCP or other",
    "escalation": "A hand-over to a person or another agent, or a guardrail that stepped in",
    "api_key": "The life and use of an API key",
    "admin": "What an administrator changed, read or exported",
    "auth": "Login, logout and second factors",
}
DESCRIPTIONS = {
    "actor.id": "Required unless actor.type is anonymous.",
    "client.ip": "A host address; a port and a zone are cut, of a list the first address is taken. What is none is kept as text.",
    "detail": "Anything else, kept in personal_detail. At most 32 KiB of JSON text.",
    "trace_id": "Wins over the attribute traceparent.",
    "usage.basis": "Whether input_tokens includes cache tokens (OpenAI) or excludes them (Anthropic).",
    "cost_usd": "At most 10^6, rounded half-even to 12 decimal places, never through a binary double.",
    "key.key_hash": "64 lower-case hex digits; anything else counts as a raw key and is redacted.",
    "tool.server": "Only the origin is kept.",
    "request_path": "The query is cut before anything is stored. The bound is that of the path.",
    "outcome.tool_error": "A call can succeed in transport and in JSON-RPC and still have failed (isError).",
    "before": "At most 16 KiB of JSON text.",
    "after": "At most 16 KiB of JSON text.",
    "erased_seqs": "Pairs [from, to] of the sequence numbers that an erasure covers.",
    "policies_hit": "Other members of an item are kept in personal_detail.",
    "tools_called": "Other members of an item are kept in personal_detail.",
    "digest": "Other members are kept in personal_detail.",
}

INTEGER = "common.schema.json#/$defs/integer"
SIGNED = "common.schema.json#/$defs/signed_integer"
MONEY = "common.schema.json#/$defs/money"


def string(bound, cut=False):
    schema = {"type": "string", "x-maxBytes": bound}
    return {**schema, "x-cut": True} if cut else {**schema, "maxLength": bound}


def known_object(names):
    return {"type": "object", "properties": {name: {"anyOf": [string(TEXT_BOUND), {"type": "null"}]} for name in names}}


def member_schema(member):
    """The schema of one member's value, null aside."""
    if member.one_of:
        return {"enum": list(member.one_of)}
    makers = {
        "text": lambda: string(member.bound, member.cut),
        "path": lambda: {"type": "string", "x-maxBytes": member.bound,
                         "pattern": f"^[^?#]{{0,{member.bound}}}([?#]|$)"},
        "server": lambda: {"type": "string", "x-maxBytes": member.bound},
        "hash": lambda: {"type": "string"},
        "ip": lambda: {"type": "string"},
        "time": lambda: {"type": "string", "format": "date-time", "pattern": TIME},
        "int": lambda: {"$ref": INTEGER},
        "signed": lambda: {"$ref": SIGNED},
        "money": lambda: {"$ref": MONEY},
        "bool": lambda: {"type": "boolean"},
        "text_or_int": lambda: {"anyOf": [string(member.bound), {"$ref": INTEGER}]},
        "text_or_bool": lambda: {"anyOf": [string(member.bound), {"type": "boolean"}]},
        "texts": lambda: {"type": "array", "maxItems": member.bound, "items": string(TEXT_BOUND)},
        "ranges": lambda: {"type": "array", "maxItems": LIST_BOUND,
                           "items": {"type": "array", "minItems": 2, "maxItems": 2,
                                     "items": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}}},
        "pairs": lambda: {"type": "array", "maxItems": member.bound, "items": known_object(member.known)},
        "object": lambda: known_object(member.known) if member.known else {"type": "object",
                                                                           "x-maxBytes": member.bound},
        "any": lambda: {"x-maxBytes": member.bound},
    }
    return makers[member.kind]()


def personal(member):
    columns = ("user_id", "user_email", "user_name", "on_behalf_of", "session_id", "client_ip", "user_agent", "resource_id",
               "input_summary", "output_summary", "error_message")
    return member.to == "personal" or member.to.removeprefix("column:") in columns


def described(path, member):
    schema = member_schema(member)
    stored = {"detail": "detail", "personal": "personal_detail"}.get(member.to) or member.to.removeprefix("column:")
    schema = {**schema, "x-column": stored, "x-personal": personal(member)}
    if path in DESCRIPTIONS:
        schema["description"] = DESCRIPTIONS[path]
    return schema if member.required else nullable(schema)


def nullable(schema):
    """JSON null is absent, so every member that is not required may be null."""
    value = {name: content for name, content in schema.items() if not name.startswith("x-") or name in ("x-maxBytes", "x-cut")}
    value.pop("description", None)
    notes = {name: content for name, content in schema.items() if name not in value}
    if not value or set(value) <= {"x-maxBytes"}:
        return schema
    if isinstance(value.get("type"), str):
        return {**schema, "type": [value["type"], "null"]}
    if "enum" in value:
        return {**schema, "enum": [*value["enum"], None]}
    if "anyOf" in value:
        return {**schema, "anyOf": [*value["anyOf"], {"type": "null"}]}
    return {"anyOf": [value, {"type": "null"}], **notes}


def object_schema(members):
    """Members by dotted path as a schema of nested objects; unknown members are welcome."""
    properties, inner, required = {}, {}, []
    for path, member in members.items():
        name, _, rest = path.partition(".")
        if rest:
            inner.setdefault(name, {})[rest] = (path, member)
            continue
        properties[name] = described(path, member)
        required += [name] if member.required else []
    for name, below in inner.items():
        must = [rest for rest, (_, member) in below.items() if member.required]
        properties[name] = {"type": "object" if must else ["object", "null"],
                            "properties": {rest: described(path, member) for rest, (path, member) in below.items()}}
        if must:
            properties[name]["required"] = must
            required.append(name)
    return {"type": "object", "properties": properties, **({"required": sorted(required)} if required else {})}


def common_schema():
    return {
        "$schema": DIALECT, "$id": BASE + "common.schema.json", "title": "Members that every family has",
        "description": "Unknown members are kept in personal_detail and never refused. JSON null is absent.",
        **object_schema(COMMON),
        "if": {"properties": {"actor": {"properties": {"type": {"const": "anonymous"}}}}},
        "else": {"properties": {"actor": {"required": ["type", "id"], "properties": {"id": {"type": "string"}}}}},
        "$defs": {
            "integer": {"description": "0 to 2^53 - 1, also as a decimal string.", "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
                {"type": "string", "pattern": "^(0|[1-9][0-9]{0,15})$"}]},
            "signed_integer": {"description": "-2^31 to 2^31 - 1, also as a decimal string.", "anyOf": [
                {"type": "integer", "minimum": -2**31, "maximum": 2**31 - 1},
                {"type": "string", "pattern": "^(0|-?[1-9][0-9]{0,9})$"}]},
            "money": {"description": "A decimal number or string, at most 10^6.", "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1_000_000},
                {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$"}]},
        },
    }


def family_schema(family):
    actions, members = FAMILIES[family]
    schema = {
        "$schema": DIALECT, "$id": f"{BASE}{family}.schema.json", "title": TITLES[family],
        "description": f"The data of events of the type audit.{family}.<action>.v1; action: "
                       + (", ".join(actions) if actions else "any of [a-z0-9_]{1,50}") + ".",
        "allOf": [{"$ref": "common.schema.json"}],
        **object_schema(members),
    }
    if family == "llm_call":
        def success(extra, counts):
            return {"if": {"properties": {"status": {"const": "success"}, **extra}},
                    "then": {"required": ["usage"], "properties": {"usage": {
                        "type": "object", "required": counts,
                        "properties": {name: {"not": {"type": "null"}} for name in counts}}}}}

        schema["allOf"] += [success({}, ["input_tokens", "total_tokens"]),
                            success({"operation": {"not": {"enum": list(NO_OUTPUT_TOKENS)}}}, ["output_tokens"])]
        assert {"input_tokens", "total_tokens", "output_tokens"} <= set(USAGE_COUNTS)
    if family == "api_key":
        schema["description"] += " key.key_id is required, but for auth_failed of an unknown key (envelope.schema.json)."
    return schema


def attribute(pattern=None, least=1, most=256, **more):
    schema = {"type": "string", "minLength": least, "maxLength": most}
    return {**schema, **({"pattern": pattern} if pattern else {}), **more}


def envelope_schema():
    def family_rule(family):
        actions = FAMILIES[family][0]
        action = "|".join(actions) if actions else "[a-z0-9_]{1,50}"
        pattern = rf"^audit\.{family}\.({action})\.v1$"
        return pattern, {"if": {"properties": {"type": {"pattern": pattern}}},
                         "then": {"properties": {"data": {"$ref": f"{family}.schema.json"}}}}

    rules = [family_rule(family) for family in FAMILIES]
    known_key = {"if": {"properties": {"type": {"pattern": r"^audit\.api_key\.(?!auth_failed\.)"}}},
                 "then": {"properties": {"data": {"required": ["key"], "properties": {"key": {
                     "type": "object", "required": ["key_id"], "properties": {"key_id": {"type": "string"}}}}}}}}
    return {
        "$schema": DIALECT, "$id": BASE + "envelope.schema.json", "title": "A CloudEvent for Sealstream, structured mode",
        "description": "In binary mode the attributes are the headers ce_<name> and the value is data. Unknown attributes "
                       "are kept in personal_detail and never refused.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "time", "tenantid", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": attribute("^[A-Za-z0-9._:-]{8,64}$", 8, 64, description=(
                "ULID or UUIDv7 advised; minted once, before the first send. Never the provider's response id: those repeat.")),
            "source": attribute(description="Which service; low cardinality.", **{"x-maxBytes": 256}),
            "type": attribute(most=128, anyOf=[{"pattern": pattern} for pattern, _ in rules]),
            "time": attribute(TIME, most=64, format="date-time", description=(
                "RFC 3339 with zone, from 2015 to the record's Kafka timestamp + 24 h; second 60 and hour 24 refused.")),
            "tenantid": attribute("^([A-Za-z0-9.-][A-Za-z0-9._-]{0,63}|_unattributed|_sealstream)$", 1, 64, description=(
                "Equal to the record's key.")),
            "datacontenttype": {"type": ["string", "null"], "description": "JSON, or absent."},
            "subject": {"type": ["string", "null"], "maxLength": 256, "x-maxBytes": 256, "x-personal": True},
            "dataschema": {"type": ["string", "null"], "maxLength": 256, "x-maxBytes": 256},
            "traceparent": {"type": ["string", "null"], "maxLength": 55},
            "sequence": {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,64}$"}, {"type": "integer", "minimum": 0},
                                   {"type": "null"}]},
            "data": {"type": "object"},
            "data_base64": {"type": "null", "description": "Refused: send JSON."},
        },
        "allOf": [rule for _, rule in rules] + [known_key],
    }


def rendered():
    """file name → text."""
    schemas = {"envelope": envelope_schema(), "common": common_schema(), **{name: family_schema(name) for name in FAMILIES}}
    return {f"{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def main(arguments):
    files = rendered()
    if arguments == ["--check"]:
        return 0 if all((FOLDER / name).read_text(encoding="utf-8") == text for name, text in files.items()) else 1
    FOLDER.mkdir(exist_ok=True)
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
