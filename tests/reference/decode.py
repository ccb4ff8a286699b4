"""A second decoder: Kafka records to the ledger's columns, written from schemas/rules.md and the JSON Schemas alone.

Goal: say what a faithful ingester stores for a record (invariant I10) without sharing code with it. Values are
those of chain.py. Secrets are not taken out here: comparing (faithful.py) lets a redaction marker stand for any
text, and that no planted secret survives is checked by itself (I12). Only in identifiers a secret decides.

A refusal says the reason, and which other reasons are as good where a record has several faults of one kind.
"""

import re
from dataclasses import dataclass

import jsontext
from families import COMMON, FAMILIES, NO_OUTPUT_TOKENS
from jsontext import Number
from members import Refuse, microseconds, read_member
from secret_rules import holds_secret

RULES_VERSION = 1
MAX_VALUE_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_MEMBERS = 2000
EARLIEST_US = 1_420_070_400_000_000  # 2015-01-01T00:00:00Z
DAY_US = 86_400_000_000

FORM = {"empty_value", "invalid_json", "invalid_utf8", "nul_character", "duplicate_member", "too_large", "too_deep",
        "registry_framing", "unsupported_content_type", "not_cloudevents"}
TENANT = {"tenant_missing", "tenant_invalid", "tenant_reserved", "tenant_mismatch"}
CONTENT = {"schema", "unknown_type", "time_out_of_range"}

_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}\Z")
_TYPE = re.compile(r"audit\.([a-z_]+)\.([a-z0-9_]{1,50})\.v([1-9][0-9]*)\Z")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEQUENCE = re.compile(r"[0-9]{1,64}\Z")


@dataclass(frozen=True)
class KafkaRecord:
    """One Kafka message. timestamp_ms is Kafka's; headers are pairs of bytes, the value possibly None."""

    topic: str
    log_epoch: int
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()

    @property
    def position(self):
        return (self.topic, self.log_epoch, self.partition, self.offset)


@dataclass(frozen=True)
class Decoded:
    """An event: its tenant and its columns, without recorded_at, source_digest and what the key decides."""

    tenant: str
    row: dict


@dataclass(frozen=True)
class Refused:
    """The tombstone's tenant, its reason, and every reason that says the same."""

    tenant: str
    reason: str
    reasons: frozenset


def tenant_name(data):
    """The tenant that bytes name, or None with the reason."""
    if not data:
        return None, "tenant_missing"
    try:
        name = data.decode("utf-8")
    except UnicodeDecodeError:
        return None, "invalid_utf8"
    if "\0" in name:
        return None, "nul_character"
    if holds_secret(name):
        return None, "secret_in_identifier"
    if not _TENANT.match(name):
        return None, "tenant_invalid"
    if name.startswith("_") and name not in ("_unattributed", "_sealstream"):
        return None, "tenant_reserved"
    return name, None


def tombstone_tenant(record):
    name, _ = tenant_name(record.key)
    return name or f"_unattributed.{record.partition}"


def decode(record):
    """Decoded or Refused."""
    try:
        tenant, attributes, data = open_envelope(record)
        return Decoded(tenant, event_row(record, attributes, data))
    except Refuse as refusal:
        reason = refusal.reason
    except jsontext.JsonTextError:
        reason = "schema"  # a number that no jsonb text of at most 64 characters holds
    kinds = [kind for kind in (FORM, TENANT, CONTENT) if reason in kind]
    return Refused(tombstone_tenant(record), reason, frozenset(kinds[0] if kinds else {reason}))


# --- the record's form -------------------------------------------------------------------------------------------


class _Members:
    """Builds objects, and counts members and duplicates over a whole document."""

    def __init__(self):
        self.count = 0

    def __call__(self, pairs):
        self.count += len(pairs)
        if self.count > MAX_MEMBERS:
            raise Refuse("too_large")
        built = dict(pairs)
        if len(built) != len(pairs):
            raise Refuse("duplicate_member")
        return built


def check_tree(value, depth=1):
    """Bounds and characters of a parsed value: depth, NUL and surrogates."""
    if isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise Refuse("too_deep")
        for item in value if isinstance(value, list) else [*value.keys(), *value.values()]:
            check_tree(item, depth + 1)
    elif isinstance(value, str):
        if _SURROGATE.search(value):
            raise Refuse("invalid_utf8")
        if "\0" in value:
            raise Refuse("nul_character")


def parse_json(data):
    if data[:1] == b"\0":
        if data[5:].lstrip(b" \t\r\n")[:1] != b"{":
            raise Refuse("registry_framing")
        data = data[5:]
    try:
        value = jsontext.parse(data.decode("utf-8"), _Members())
    except UnicodeDecodeError:
        raise Refuse("invalid_utf8") from None
    except jsontext.JsonTextError:
        raise Refuse("invalid_json") from None
    if not isinstance(value, dict):
        raise Refuse("invalid_json")
    check_tree(value)
    return value


def header_attributes(record):
    """ce_* headers as attributes by name, and the content type."""
    found, size = {}, 0
    for name, value in record.headers:
        if name != b"content-type" and not name.startswith(b"ce_"):
            continue
        size += len(name) + len(value or b"")
        try:
            name, value = name.decode("utf-8"), None if value is None else value.decode("utf-8")
        except UnicodeDecodeError:
            raise Refuse("invalid_utf8") from None
        if "\0" in name or "\0" in (value or ""):
            raise Refuse("nul_character")
        if size > MAX_VALUE_BYTES or len(found) == MAX_MEMBERS:
            raise Refuse("too_large")
        if name in found:
            raise Refuse("duplicate_member")
        found[name] = value
    content_type = found.pop("content-type", None)
    return {name[3:]: value for name, value in found.items() if value is not None}, content_type


def is_binary(headers, content_type):
    kind = "application/json" if content_type is None else content_type.split(";")[0].strip(" \t").lower()
    if kind == "application/cloudevents+json":
        return False
    if kind.startswith("application/cloudevents") or not is_json(kind):
        raise Refuse("unsupported_content_type")
    return bool(headers)


def is_json(media_type):
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def open_envelope(record):
    """(tenant, attributes, data) of a CloudEvent in either mode; every check but the data's own."""
    if not record.value:
        raise Refuse("empty_value")
    if len(record.value) > MAX_VALUE_BYTES:
        raise Refuse("too_large")
    tenant, reason = tenant_name(record.key)
    if reason:
        raise Refuse(reason)
    headers, content_type = header_attributes(record)
    binary = is_binary(headers, content_type)
    value = parse_json(record.value)
    if binary:
        attributes, data = headers, value
    else:
        attributes = {name: content for name, content in value.items() if name != "data" and content is not None}
        data = value.get("data")
    check_attributes(attributes, tenant)
    if headers.get("tenantid", tenant) != tenant:
        raise Refuse("tenant_mismatch")
    if not isinstance(data, dict):
        raise Refuse("schema", "data")
    return tenant, attributes, data


def check_attributes(attributes, tenant):
    if attributes.get("specversion") != "1.0":
        raise Refuse("not_cloudevents")
    content_type = attributes.get("datacontenttype", "application/json")
    if "data_base64" in attributes or not isinstance(content_type, str):
        raise Refuse("unsupported_content_type")
    if not is_json(content_type.split(";")[0].strip(" \t").lower()):
        raise Refuse("unsupported_content_type")
    check_tenant(attributes.get("tenantid"), tenant)
    for name, least, most in (("id", 8, 64), ("source", 1, 256), ("type", 1, 128), ("time", 1, 64)):
        check_bound(attributes.get(name), name, least, most)
    if any(holds_secret(attributes[name]) for name in ("id", "source", "type", "time")):
        raise Refuse("secret_in_identifier")
    if not _EVENT_ID.match(attributes["id"]):
        raise Refuse("schema", "id")
    for name, most in (("subject", 256), ("dataschema", 256), ("traceparent", 55)):
        if name in attributes:
            check_bound(attributes[name], name, 0, most)
    sequence = attributes.get("sequence", "0")
    if not _SEQUENCE.match(sequence.text if isinstance(sequence, Number) else sequence if isinstance(sequence, str) else ""):
        raise Refuse("schema", "sequence")


def check_tenant(attribute, tenant):
    if attribute is None:
        raise Refuse("tenant_missing", "tenantid")
    name, reason = tenant_name(attribute.encode("utf-8")) if isinstance(attribute, str) else (None, "tenant_invalid")
    if name != tenant:
        raise Refuse("tenant_invalid" if attribute == "" else reason or "tenant_mismatch", "tenantid")


def check_bound(value, name, least, most):
    if not isinstance(value, str) or not least <= len(value.encode("utf-8")) <= most:
        raise Refuse("schema", name)


def event_time(text, kafka_us):
    moment = microseconds(text)
    if moment is None:
        raise Refuse("schema", "time")
    if not EARLIEST_US <= moment <= kafka_us + DAY_US:
        raise Refuse("time_out_of_range", "time")
    return moment


# --- from event to columns ---------------------------------------------------------------------------------------


def event_row(record, attributes, data):
    match = _TYPE.match(attributes["type"])
    if match is None or match[1] not in FAMILIES:
        raise Refuse("unknown_type", "type")
    family, action, version = match[1], match[2], int(match[3])
    actions, members = FAMILIES[family]
    if version != 1 or (actions is not None and action not in actions):
        raise Refuse("unknown_type", "type")
    kafka_us = record.timestamp_ms * 1000
    row = {"event_id": attributes["id"], "family": family, "action": action, "schema_version": version,
           "source": attributes["source"], "event_time": event_time(attributes["time"], kafka_us),
           "kafka_topic": record.topic, "kafka_log_epoch": record.log_epoch, "kafka_partition": record.partition,
           "kafka_offset": record.offset, "rules_version": RULES_VERSION}
    mapping = _Mapping({**COMMON, **members}, row)
    mapping.take_attributes(attributes)
    mapping.take_data(data)
    mapping.take_traceparent(attributes)
    check_family(family, action, row)
    return mapping.finished()


def check_family(family, action, row):
    """What is required only sometimes."""
    if row.get("actor_type") != "anonymous" and row.get("user_id") is None:
        raise Refuse("schema", "data.actor.id")
    if family == "llm_call" and row["status"] == "success":
        wanted = ["input_tokens", "total_tokens"]
        if row["operation"] not in NO_OUTPUT_TOKENS:
            wanted.append("output_tokens")
        if any(row.get(name) is None for name in wanted):
            raise Refuse("schema", "data.usage")
    if family == "api_key" and action != "auth_failed" and row.get("key_id") is None:
        raise Refuse("schema", "data.key.key_id")


class _Mapping:
    """Puts members where they belong while they are read."""

    def __init__(self, members, row):
        self._members, self._row = members, row
        self._objects = {path.split(".")[0] for path in members if "." in path}
        self._detail = {"attributes": {}, "data": {}}
        self._personal = {"attributes": {}, "data": {}}

    def take_attributes(self, attributes):
        for name, value in attributes.items():
            if name in ("specversion", "datacontenttype", "id", "source", "type", "time", "tenantid", "data"):
                continue
            target = self._detail if name in ("dataschema", "traceparent", "sequence") else self._personal
            target["attributes"][name] = value

    def take_traceparent(self, attributes):
        """Behind the data: data.trace_id wins, and the two are never mixed."""
        match = _TRACEPARENT.match(attributes.get("traceparent", ""))
        if match and "trace_id" not in self._row:
            self._row["trace_id"] = match[1]
            self._row.setdefault("span_id", match[2])

    def take_data(self, data):
        for name, value in data.items():
            if name in self._objects:
                if value is not None and not isinstance(value, dict):
                    raise Refuse("schema", f"data.{name}")
                for inner, content in (value or {}).items():
                    self._take((name, inner), content)
            else:
                self._take((name,), value)
        for path, member in self._members.items():
            if member.required and not self._is_there(data, path.split(".")):
                raise Refuse("schema", f"data.{path}")

    @staticmethod
    def _is_there(data, names):
        for name in names:
            data = data.get(name) if isinstance(data, dict) else None
        return data is not None

    def _take(self, names, value):
        if value is None:
            return
        member = self._members.get(".".join(names))
        if member is None:
            self._keep(self._personal, names, value)
            return
        stored, left_over = read_member(member, value)
        if left_over is not None:
            self._keep(self._personal, names, left_over)
        if stored is None:
            return
        if member.to == "detail":
            self._keep(self._detail, names, stored)
        elif member.to == "personal":
            self._keep(self._personal, names, stored)
        else:
            self._row[member.to.removeprefix("column:")] = stored

    @staticmethod
    def _keep(target, names, value):
        place = target["data"]
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = value

    def finished(self):
        row = dict(self._row)
        row["detail"] = detail_text(self._detail)
        row["personal_detail"] = personal_text(self._personal)
        return {name: value for name, value in row.items() if value is not None}


def without_empty(value):
    """An object without its members that are null, or None where nothing is left."""
    kept = {name: content for name, content in value.items() if content not in ({}, None)}
    return kept or None


def detail_text(detail):
    """Members of data stand at the top, attributes under "attributes"."""
    kept = without_empty({**detail["data"], "attributes": detail["attributes"]})
    return jsontext.print_value(kept) if kept else None


def personal_text(personal):
    kept = without_empty(personal)
    return jsontext.print_value(kept) if kept else None
