"""Goal: the published JSON Schemas are those of the table that the second decoder checks, and the AsyncAPI document and
the index name what is there.

Method: generated files compared with the generator; references resolved by hand; a small evaluator of the keywords the
schemas use says that the sample events are valid and that each required member is required.
"""

import copy
import json
import re

import pytest

import make_schemas
from conftest import ROOT
from decode import Decoded, decode
from samples import DATA, MemoryLog

SCHEMAS = ROOT / "schemas"
FILES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (SCHEMAS / "events").glob("*.schema.json")}


def test_the_committed_schemas_are_generated_from_the_table():
    assert {path.name: path.read_text(encoding="utf-8") for path in (SCHEMAS / "events").iterdir()} == make_schemas.rendered()


def has_type(value, name):
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, kinds[name])


def resolve(reference, file):
    name, _, pointer = reference.partition("#")
    schema = FILES[name or file]
    for part in filter(None, pointer.split("/")):
        schema = schema[part]
    return schema, name or file


NOTES = {"$schema", "$id", "$defs", "title", "description", "format", "x-maxBytes", "x-cut", "x-column", "x-personal"}


def is_valid(value, schema, file):
    """Whether a value is valid. An unknown keyword is an error of the schema."""
    for keyword, rule in schema.items():
        if keyword not in NOTES and keyword not in ("then", "else") and not KEYWORDS[keyword](value, rule, schema, file):
            return False
    return True


def check_if(value, rule, schema, file):
    branch = "then" if is_valid(value, rule, file) else "else"
    return branch not in schema or is_valid(value, schema[branch], file)


KEYWORDS = {
    "$ref": lambda v, rule, s, f: is_valid(v, *resolve(rule, f)),
    "type": lambda v, rule, s, f: any(has_type(v, name) for name in ([rule] if isinstance(rule, str) else rule)),
    "const": lambda v, rule, s, f: v == rule,
    "enum": lambda v, rule, s, f: v in rule,
    "required": lambda v, rule, s, f: not isinstance(v, dict) or set(rule) <= v.keys(),
    "properties": lambda v, rule, s, f: not isinstance(v, dict) or all(
        is_valid(v[name], inner, f) for name, inner in rule.items() if name in v),
    "items": lambda v, rule, s, f: not isinstance(v, list) or all(is_valid(item, rule, f) for item in v),
    "minItems": lambda v, rule, s, f: not isinstance(v, list) or len(v) >= rule,
    "maxItems": lambda v, rule, s, f: not isinstance(v, list) or len(v) <= rule,
    "minLength": lambda v, rule, s, f: not isinstance(v, str) or len(v) >= rule,
    "maxLength": lambda v, rule, s, f: not isinstance(v, str) or len(v) <= rule,
    "minimum": lambda v, rule, s, f: not has_type(v, "number") or v >= rule,
    "maximum": lambda v, rule, s, f: not has_type(v, "number") or v <= rule,
    "pattern": lambda v, rule, s, f: not isinstance(v, str) or re.search(rule, v) is not None,
    "anyOf": lambda v, rule, s, f: any(is_valid(v, inner, f) for inner in rule),
    "allOf": lambda v, rule, s, f: all(is_valid(v, inner, f) for inner in rule),
    "not": lambda v, rule, s, f: not is_valid(v, rule, f),
    "if": check_if,
}


def envelope(kind, data, attributes=()):
    event = {"specversion": "1.0", "id": "01JB0000000", "source": "gateway", "type": f"audit.{kind}.v1",
             "time": "2026-10-02T00:00:00.5Z", "tenantid": "acme", "data": data}
    return event | dict(attributes)


def valid(event):
    return is_valid(event, FILES["envelope.schema.json"], "envelope.schema.json")


def decodes(event):
    return isinstance(decode(MemoryLog().publish(value=json.dumps(event).encode(), headers=())), Decoded)


@pytest.mark.parametrize("kind", DATA)
def test_a_sample_event_of_each_family_is_valid(kind):
    assert valid(envelope(kind, DATA[kind])) and decodes(envelope(kind, DATA[kind]))


VALUES = [None, 1, -1, 1.5, "", "x", "12", "x" * 300, "x" * 2000, True, [], ["a"], [1], [{}], [[1, 2]], {}, {"a": 1},
          [{"name": 1}], "2026-10-02T00:00:00Z", 2**53, "success"]


@pytest.mark.parametrize("kind", DATA)
def test_the_schemas_and_the_second_decoder_agree_on_every_member(kind):
    """Bounds in bytes aside; no value here has more than ASCII. That of tool.server is of its origin, which no schema can
    say."""
    for path in [*make_schemas.COMMON, *make_schemas.FAMILIES[kind.split(".")[0]][1], "actor", "client", "unknown"]:
        for value in VALUES:
            data = copy.deepcopy(DATA[kind])
            *parents, name = path.split(".")
            place = data
            for parent in parents:
                place = place.setdefault(parent, {})
            place[name] = value
            event = envelope(kind, data)
            beyond_schemas = path == "tool.server" and isinstance(value, str) and len(value) > 256
            assert valid(event) == (decodes(event) or beyond_schemas), f"{path}: {value!r:.60}"


@pytest.mark.parametrize("kind", DATA)
def test_what_is_required_is_required_by_both(kind):
    for path, member in {**make_schemas.COMMON, **make_schemas.FAMILIES[kind.split(".")[0]][1]}.items():
        data = copy.deepcopy(DATA[kind])
        *parents, name = path.split(".")
        place = data
        for parent in parents:
            place = place.setdefault(parent, {})
        place.pop(name, None)
        event = envelope(kind, data)
        assert valid(event) == decodes(event), path
        assert not (member.required and valid(event)), path


@pytest.mark.parametrize("attributes", [
    {"specversion": "0.3"}, {"id": "short"}, {"source": ""}, {"type": "audit.auth.login.v2"}, {"type": "audit.auth.fly.v1"},
    {"time": "2026-10-02"}, {"time": "2026-10-02T24:00:00Z"}, {"tenantid": "_mine"}, {"tenantid": "a b"}, {"subject": 1},
    {"sequence": "x"}, {"data_base64": "e30="}, {"data": []}])
def test_a_wrong_attribute_is_invalid_and_does_not_decode(attributes):
    event = envelope("auth.login", DATA["auth.login"], attributes)
    assert not valid(event) and not decodes(event)


def test_the_asyncapi_document_references_files_that_exist():
    text = (SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8")
    references = re.findall(r"\$ref: ['\"]?(\./[^'\"\s]+)", text)
    assert references and all((SCHEMAS / reference).is_file() for reference in references)
    assert text.startswith("asyncapi: 3.0.0\n")


def test_the_index_names_every_file_and_every_reason():
    index = (SCHEMAS / "README.md").read_text(encoding="utf-8")
    for path in SCHEMAS.rglob("*"):
        if path.is_file() and path.name != "README.md":
            assert path.name in index, path
    header = (ROOT / "include" / "sealstream" / "core" / "error.h").read_text(encoding="utf-8")
    reasons = re.search(r"enum class Reason : std::uint8_t \{(.*?)\}", header, re.DOTALL)[1].replace(",", " ").split()
    assert re.findall(r"^\| `(\w+)` \|", index, re.MULTILINE) == reasons
