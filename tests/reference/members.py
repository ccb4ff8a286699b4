"""Reads one member's value by its kind (families.py): what is stored of it, and what is left for personal_detail."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from ipaddress import ip_address

import chain
import jsontext
from jsontext import Number

MAX_INTEGER = 2**53 - 1

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_MONEY = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?\Z")
_SERVER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:[^/?#@]*@)?([^/?#]*)")
_MONEY_CONTEXT = Context(prec=2000, rounding=ROUND_HALF_EVEN)


class Refuse(Exception):
    """Why a record is refused; the path is for people who read a failing test."""

    def __init__(self, reason, path=""):
        super().__init__(f"{reason} {path}")
        self.reason = reason


def read_member(member, value):
    """(what is stored or None, what goes to personal_detail instead or besides, or None)."""
    return READERS[member.kind](member, value)


def cut_text(text, bound):
    data = text.encode("utf-8")
    return text if len(data) <= bound else data[:bound].decode("utf-8", "ignore")


def read_text(member, value):
    if not isinstance(value, str) or isinstance(value, Number):
        raise Refuse("schema")
    if member.one_of and value not in member.one_of:
        raise Refuse("schema")
    if member.bound is not None and len(value.encode("utf-8")) > member.bound:
        if not member.cut:
            raise Refuse("schema")
        value = cut_text(value, member.bound)
    if member.required and value == "":
        raise Refuse("schema")
    return value, None


def integer(value, lowest, highest):
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or not _INTEGER.match(text) or len(text) > 20:
        raise Refuse("schema")
    if not lowest <= int(text) <= highest:
        raise Refuse("schema")
    return int(text)


def read_int(member, value):
    return integer(value, 0, MAX_INTEGER), None


def read_signed(member, value):
    return integer(value, -2**31, 2**31 - 1), None


def read_bool(member, value):
    if not isinstance(value, bool):
        raise Refuse("schema")
    return value, None


def read_money(member, value):
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or not _MONEY.match(text):
        raise Refuse("schema")
    amount = Decimal(text)
    if amount and not -400 < amount.adjusted() < 7:
        if amount.adjusted() >= 7:
            raise Refuse("schema")
        amount = Decimal(0)
    if amount > 1_000_000:
        raise Refuse("schema")
    rounded = amount.quantize(Decimal(1).scaleb(-12), context=_MONEY_CONTEXT)
    return chain.print_decimal(f"{rounded:f}"), None


def read_texts(member, value):
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise Refuse("schema")
    return value, None


def split_known(value, known):
    if not isinstance(value, dict):
        raise Refuse("schema")
    kept = {name: content for name, content in value.items() if name in known and content is not None}
    rest = {name: content for name, content in value.items() if name not in known and content is not None}
    return kept, rest


def read_pairs(member, value):
    if not isinstance(value, list) or len(value) > member.bound:
        raise Refuse("schema")
    split = [split_known(item, member.known) for item in value]
    rest = {str(index): left for index, (_, left) in enumerate(split) if left}
    return jsontext.print_value([kept for kept, _ in split]), rest or None


def read_object(member, value):
    if not isinstance(value, dict):
        raise Refuse("schema")
    if not member.known:
        return read_any(member, value)
    kept, rest = split_known(value, member.known)
    return jsontext.print_value(kept) if kept else None, rest or None


def read_any(member, value):
    if member.bound is not None and len(jsontext.print_value(value).encode("utf-8")) > member.bound:
        raise Refuse("schema")
    return (None if value == {} else value), None


def read_ip(member, value):
    if not isinstance(value, str):
        raise Refuse("schema")
    address = first_address(value)
    return (address, None) if address else (None, value)


def first_address(text):
    """The first host address of a list, without port and zone, or None."""
    for item in text.split(","):
        item = item.strip()
        candidates = [item]
        if item.startswith("["):
            candidates = [item[1:].split("]")[0]]
        elif item.count(":") == 1:
            candidates = [item.split(":")[0]]
        try:
            return str(ip_address(candidates[0].split("%")[0]))
        except ValueError:
            continue
    return None


def read_path(member, value):
    return read_text(member, value.split("?")[0] if isinstance(value, str) else value)


def read_server(member, value):
    if isinstance(value, str):
        match = _SERVER.match(value)
        value = match[1] + match[2] if match else re.split(r"[/?#]", value)[0]
    return read_text(member, value)


def read_hash(member, value):
    if not isinstance(value, str):
        raise Refuse("schema")
    return (value if re.fullmatch(r"[0-9a-f]{64}", value) else "[REDACTED:key_hash]"), None


READERS = {"text": read_text, "int": read_int, "signed": read_signed, "bool": read_bool, "money": read_money,
           "texts": read_texts, "pairs": read_pairs, "object": read_object, "any": read_any, "ip": read_ip,
           "path": read_path, "server": read_server, "hash": read_hash}
