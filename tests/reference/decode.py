"""A second decoder: Kafka records to the ledger's columns, written from schemas/rules.md and the JSON Schemas alone.

Goal: say what a faithful ingester stores for a record (invariant I10) without sharing code with it. Values are
those of chain.py. Secrets are not looked for here: comparing (faithful.py) lets a redaction marker stand for any
text, and that no planted secret survives is checked by itself (I12).

A refusal says the reason, and which other reasons are as good where a record has several faults of one kind.
"""

import re
from dataclasses import dataclass

import jsontext
from families import COMMON, FAMILIES, NO_OUTPUT_TOKENS
from jsontext import Number
from members import Refuse, microseconds, read_member

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
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


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
        return None, "tenant_invalid"
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
        kinds = [kind for kind in (FORM, TENANT, CONTENT) if refusal.reason in kind]
        return Refused(tombstone_tenant(record), refusal.reason, frozenset(kinds[0] if kinds else {refusal.reason}))


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
    """Bounds and characters of a parsed value: depth, NUL, surrogates, numbers without a text form."""
    if isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            raise Refuse("too_deep")
        for item in value if isinstance(value, list) else [*value.keys(), *value.values()]:
            check_tree(item, depth + 1)
    elif isinstance(value, str):
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
            raise Refuse("nul_character")
    elif isinstance(value, Number):
        try:
            jsontext.print_number(value.text)
        except jsontext.JsonTextError:
            raise Refuse("schema") from None


def parse_json(data):
    if not data:
        raise Refuse("empty_value")
    if len(data) > MAX_VALUE_BYTES:
        raise Refuse("too_large")
    if data[:1] == b"\0":
        if data[5:].lstrip()[:1] not in (b"{", b"["):
            raise Refuse("registry_framing")
        data = data[5:]
    try:
        value = jsontext.parse(data.decode("utf-8"), _Members())
    except UnicodeDecodeError:
        raise Refuse("invalid_utf8") from None
    except jsontext.JsonTextError:
        raise Refuse("invalid_json") from None
    check_tree(value)
    return value


def header_attributes(record):
    """ce_* headers as attributes by name, and the content type."""
    attributes, content_type = {}, None
    for name, value in record.headers:
        if name == b"content-type":
            content_type = (value or b"").decode("utf-8", "replace").split(";")[0].strip().lower()
        elif name.startswith(b"ce_"):
            try:
                attribute, content = name[3:].decode("utf-8"), value.decode("utf-8") if value is not None else None
            except UnicodeDecodeError:
                raise Refuse("invalid_utf8") from None
            if attribute in attributes:
                raise Refuse("not_cloudevents")
            attributes[attribute] = content
    return attributes, content_type


def open_envelope(record):
    """(tenant, attributes, data) of a CloudEvent in either mode; every check but the data's own."""
    tenant, reason = tenant_name(record.key)
    if reason:
        raise Refuse(reason)
    headers, content_type = header_attributes(record)
    value = parse_json(record.value)
    if content_type == "application/cloudevents+json" or (content_type is None and not headers):
        attributes, data = structured(value)
        if headers.get("tenantid", tenant) != tenant:
            raise Refuse("tenant_mismatch")
    elif content_type in (None, "application/json"):
        attributes, data = headers, value
    else:
        raise Refuse("unsupported_content_type")
    if not isinstance(data, dict):
        raise Refuse("schema", "data")
    check_attributes(attributes, tenant)
    return tenant, attributes, data


def structured(value):
    if not isinstance(value, dict) or "specversion" not in value or "data_base64" in value:
        raise Refuse("not_cloudevents")
    attributes = {name: content for name, content in value.items() if name not in ("data", "datacontenttype")}
    return attributes, value.get("data")


def check_attributes(attributes, tenant):
    if attributes.get("specversion") != "1.0":
        raise Refuse("not_cloudevents")
    for name in ("id", "source", "type", "time", "tenantid"):
        if not isinstance(attributes.get(name), str):
            raise Refuse("tenant_missing" if name == "tenantid" else "schema", name)
    check_text(attributes["tenantid"])
    if attributes["tenantid"] != tenant:
        raise Refuse("tenant_mismatch")
    if not _EVENT_ID.match(attributes["id"]):
        raise Refuse("schema", "id")
    if not 1 <= len(attributes["source"].encode()) <= 256:
        raise Refuse("schema", "source")
    for name, bound in (("subject", 256), ("dataschema", 256), ("traceparent", 55), ("sequence", 256)):
        value = attributes.get(name)
        if value is not None and (not isinstance(value, str) or len(value.encode()) > bound):
            raise Refuse("schema", name)
    for value in attributes.values():
        if isinstance(value, str):
            check_text(value)


def check_text(value):
    if "\0" in value:
        raise Refuse("nul_character")


def event_time(text, kafka_us):
    moment = microseconds(text)
    if moment is None:
        raise Refuse("schema", "time")
    if not EARLIEST_US <= moment <= kafka_us + DAY_US:
        raise Refuse("time_out_of_range", "time")
    return moment


# --- from event to columns ---------------------------------------------------------------------------------------


def event_row(record, attributes, data):
    match = _TYPE.match(attributes["type"]) if len(attributes["type"]) <= 128 else None
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
            if name in ("specversion", "id", "source", "type", "time", "tenantid") or value is None:
                continue
            target = self._detail if name in ("dataschema", "traceparent", "sequence") else self._personal
            target["attributes"][name] = value
        match = _TRACEPARENT.match(attributes.get("traceparent") or "")
        if match:
            self._row["trace_id"], self._row["span_id"] = match.groups()

    def take_data(self, data):
        if isinstance(data.get("trace_id"), str) and data.get("span_id") is None:
            self._row.pop("span_id", None)
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
