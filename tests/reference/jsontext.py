"""The JSON text form of chain-v1: what PostgreSQL 15 prints for a jsonb value, written independently of it.

Goal: give third parties a second implementation of the bytes that a json column contributes to a row record
(schemas/chain-v1.md, "JSON text form"). Standard library only; shares no code with the ingester.

Values are dict, list, str, bool, None and Number. A Number keeps the digits it was written with: 1.0 and 1.00
are different values here, as they are in jsonb's text.
"""

import json
import re
from dataclasses import dataclass

MAX_NUMBER_CHARACTERS = 64
MAX_EXPONENT = 999_999_999

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?\Z")
_NOT_PLAIN = re.compile('["\\\\\x00-\x1f\ud800-\udfff]')
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class JsonTextError(ValueError):
    """The text has no form in chain-v1: not JSON, a number that is too long, NUL or a lone surrogate."""


@dataclass(frozen=True)
class Number:
    """A JSON number by its source text. Two numbers are the same value when their printed forms are."""

    text: str


def print_number(text):
    """The digits jsonb prints for a JSON number; JsonTextError where that exceeds 64 characters."""
    match = _NUMBER.match(text)
    if match is None:
        raise JsonTextError("not a JSON number")
    sign, whole, fraction, exponent_text = match.groups()
    fraction = fraction or ""
    exponent_digits = (exponent_text or "0").lstrip("+-").lstrip("0")
    if len(exponent_digits) > len(str(MAX_EXPONENT)):
        raise JsonTextError("exponent out of range")
    exponent = int(exponent_text or "0")
    scale = max(0, len(fraction) - exponent)
    digits = whole + fraction
    significant = digits.lstrip("0")
    if scale > MAX_NUMBER_CHARACTERS:
        raise JsonTextError("number too long")
    if not significant:
        printed = "0" + ("." + "0" * scale if scale else "")
    else:
        # The value is significant * 10^(exponent - len(fraction)); shift is how many zeros to append.
        shift = exponent - len(fraction) + scale
        if len(significant) + shift > MAX_NUMBER_CHARACTERS:
            raise JsonTextError("number too long")
        padded = (significant + "0" * shift).rjust(scale + 1, "0")
        integer, decimals = (padded[:-scale], padded[-scale:]) if scale else (padded, "")
        printed = sign + integer + ("." + decimals if scale else "")
    if len(printed) > MAX_NUMBER_CHARACTERS:
        raise JsonTextError("number too long")
    return printed


def print_string(value):
    """A string in quotes: only '"', '\\' and U+0000..U+001F are escaped; NUL and surrogates have no form."""
    if not _NOT_PLAIN.search(value):
        return f'"{value}"'
    parts = ['"']
    for character in value:
        code = ord(character)
        if code == 0:
            raise JsonTextError("NUL has no form")
        if 0xD800 <= code <= 0xDFFF:
            raise JsonTextError("a lone surrogate has no form")
        if character in _SHORT_ESCAPES:
            parts.append(_SHORT_ESCAPES[character])
        elif code < 0x20:
            parts.append(f"\\u{code:04x}")
        else:
            parts.append(character)
    parts.append('"')
    return "".join(parts)


def _key_order(key):
    encoded = key.encode("utf-8", "surrogatepass")
    return (len(encoded), encoded)


def print_value(value):
    """The text form of a parsed value."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Number):
        return print_number(value.text)
    if isinstance(value, int):
        return print_number(str(value))
    if isinstance(value, str):
        return print_string(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(print_value(item) for item in value) + "]"
    if isinstance(value, dict):
        members = (f"{print_string(key)}: {print_value(value[key])}" for key in sorted(value, key=_key_order))
        return "{" + ", ".join(members) + "}"
    raise TypeError(f"no JSON text form for {type(value).__name__}")


def _refuse_constant(name):
    raise JsonTextError(f"{name} is not JSON")


def parse(text, object_pairs=dict):
    """JSON text to a value; of members with the same name the last wins. Raises JsonTextError."""
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse_constant,
                          object_pairs_hook=object_pairs)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JsonTextError(str(error)) from error


def canonical(text):
    """JSON text to the text form. Idempotent: canonical(canonical(x)) == canonical(x)."""
    return print_value(parse(text))
