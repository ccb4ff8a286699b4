"""Compares a stored row with the row that the second decoder expects, column by column (invariant I10).

Redaction markers stand for any text: where a stored string holds `[REDACTED:<rule>]`, only the text around the
markers must be that of the record. A column may hold a marker only where schemas/secret-rules.tsv finds a secret.
"""

import re

import chain
import jsontext
from families import COMMON, FAMILIES
from jsontext import Number
from secret_rules import holds_secret

MARKER = re.compile(r"\[REDACTED:[A-Za-z0-9_.-]+\]")

DECIDED_BY_THE_CHAIN = {"recorded_at", "source_digest", "personal_key_id", "personal_commitment"}
COMPARED = [column for column in chain.REGISTRY if column.name not in DECIDED_BY_THE_CHAIN]
_TEXT_MEMBERS = [member for members in [COMMON] + [members for _, members in FAMILIES.values()]
                 for member in members.values() if member.to.startswith("column:") and member.bound is not None]
CUT_COLUMNS = {member.to.removeprefix("column:") for member in _TEXT_MEMBERS if member.cut}
BOUNDS = {member.to.removeprefix("column:"): member.bound for member in _TEXT_MEMBERS}
LONGEST_MARKER = 32


def same_text(expected, stored, may_be_cut=False):
    """Equal but for markers. may_be_cut: redacting changed the length before the cut, so only what precedes the first
    marker is comparable."""
    if expected == stored:
        return True
    pieces = MARKER.split(stored)
    if len(pieces) == 1:
        return False
    if may_be_cut:
        return expected.startswith(pieces[0])
    pattern = ".*".join(re.escape(piece) for piece in pieces)
    return re.fullmatch(pattern, expected, re.DOTALL) is not None


def same_column_text(name, expected, stored):
    if expected == stored:
        return True
    if name == "key_hash":
        return same_text(expected, stored)
    if not holds_secret(expected):
        return False
    bound = BOUNDS.get(name)
    marker_did_not_fit = bound is not None and len(stored.encode("utf-8")) + LONGEST_MARKER > bound
    if marker_did_not_fit and expected.startswith(stored):
        return True
    return same_text(expected, stored, name in CUT_COLUMNS or marker_did_not_fit)


def same_json(expected, stored):
    """Parsed JSON values; numbers by what they print."""
    if isinstance(expected, Number) and isinstance(stored, Number):
        return jsontext.print_number(expected.text) == jsontext.print_number(stored.text)
    if isinstance(expected, str) and isinstance(stored, str):
        return same_text(expected, stored, may_be_cut=True)
    if isinstance(expected, list) and isinstance(stored, list):
        return len(expected) == len(stored) and all(map(same_json, expected, stored))
    if isinstance(expected, dict) and isinstance(stored, dict):
        return same_object(expected, stored)
    return type(expected) is type(stored) and expected == stored


def same_object(expected, stored):
    """Members pair up by name; a redacted name pairs with any member that is left and fits."""
    left = dict(expected)
    redacted = []
    for name, value in stored.items():
        if name in left and not MARKER.search(name):
            if not same_json(left.pop(name), value):
                return False
        else:
            redacted.append((name, value))
    for name, value in redacted:
        fits = [candidate for candidate in left if same_text(candidate, name) and same_json(left[candidate], value)]
        if not fits:
            return False
        left.pop(fits[0])
    return not left


def same_value(column, expected, stored):
    if expected is None or stored is None or expected == stored:
        return expected == stored
    if column.type == "text":
        return same_column_text(column.name, expected, stored)
    if column.type == "json":
        return same_json(jsontext.parse(expected), jsontext.parse(stored))
    return chain.encode_value(column.type, expected) == chain.encode_value(column.type, stored)


def differing_columns(expected, stored):
    """Names of the columns in which a stored row is not the expected one."""
    return [column.name for column in COMPARED
            if not same_value(column, expected.get(column.name), stored.get(column.name))]
