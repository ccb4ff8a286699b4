"""Reads one member's value by its kind (families.py): what is stored of it, and what is left for personal_detail."""

import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from ipaddress import ip_address

import chain
import jsontext
from families import TEXT_BOUND
from jsontext import Number
from secret_rules import reaches_over

MAX_INTEGER = 2**53 - 1
DAYS_OF_400_YEARS = 146_097  # Python has no year 0, RFC 3339 has

_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_MONEY = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?0*[0-9]{1,9})?\Z")
_ORIGIN = re.compile(r"(.*?://)?([^/?#]*)", re.DOTALL)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))\Z", re.ASCII)
_MONEY_CONTEXT = Context(prec=2000, rounding=ROUND_HALF_EVEN)


class Refuse(Exception):
    """Why a record is refused; the path is for people who read a failing test."""

    def __init__(self, reason, path=""):
        super().__init__(f"{reason} {path}")
        self.reason = reason


def read_member(member, value):
    """(what is stored or None, what goes to personal_detail instead or besides, or None)."""
    return READERS[member.kind](member, value)


def microseconds(text):
    """RFC 3339 with a zone in microseconds since 1970 UTC, truncated; None where it is no such time."""
    match = _TIME.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hour, zone_minute = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 59 or int(zone_hour or 0) > 23 or int(zone_minute or 0) > 59:
        return None
    try:
        days = date(year or 400, month, day).toordinal() - date(1970, 1, 1).toordinal() - (0 if year else DAYS_OF_400_YEARS)
    except ValueError:
        return None
    ahead = (int(zone_hour) * 60 + int(zone_minute)) * (-60 if sign == "-" else 60) if sign else 0
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - ahead
    return seconds * 1_000_000 + int(((fraction or "") + "000000")[:6])


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
    return value, None


def read_text_or_int(member, value):
    if isinstance(value, Number):
        return read_int(member, value)
    return read_text(member, value)


def read_text_or_bool(member, value):
    return (value, None) if isinstance(value, bool) else read_text(member, value)


def read_time(member, value):
    if not isinstance(value, str) or microseconds(value) is None:
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
    if not amount or (amount > 0 and amount.adjusted() < -20):
        return "0", None
    if amount < 0 or amount > 1_000_000:
        raise Refuse("schema")
    rounded = amount.quantize(Decimal(1).scaleb(-12), context=_MONEY_CONTEXT)
    return chain.print_decimal(f"{rounded:f}"), None


def read_texts(member, value):
    if not isinstance(value, list) or len(value) > member.bound:
        raise Refuse("schema")
    if any(not isinstance(item, str) or len(item.encode("utf-8")) > TEXT_BOUND for item in value):
        raise Refuse("schema")
    return value, None


def read_ranges(member, value):
    if not isinstance(value, list) or len(value) > member.bound:
        raise Refuse("schema")
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or any(not isinstance(number, Number) for number in pair):
            raise Refuse("schema")
        if integer(pair[0], 0, MAX_INTEGER) > integer(pair[1], 0, MAX_INTEGER):
            raise Refuse("schema")
    return value, None


def split_known(value, known):
    if not isinstance(value, dict):
        raise Refuse("schema")
    for name in known:
        inner = value.get(name)
        if inner is not None and (not isinstance(inner, str) or len(inner.encode("utf-8")) > TEXT_BOUND):
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
        try:
            return str(ip_address(bare_address(item.strip(" \t"))))
        except ValueError:
            continue
    return None


def bare_address(text):
    """[address%zone]:port, address:port, address%zone or address, as the address; text that is none stays none."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::[0-9]{1,5})?", text)
    with_port = re.fullmatch(r"([^:]*):[0-9]{1,5}", text)
    if with_port:
        return with_port[1]
    address = bracketed[1] if bracketed else text
    return address.split("%")[0] if ":" in address.split("%")[0] else address


def read_path(member, value):
    return read_text(member, re.split(r"[?#]", value)[0] if isinstance(value, str) else value)


def read_server(member, value):
    """The origin: scheme and host, without credentials. What has no scheme ends at the first /, ? or #. Secrets are taken out
    before: one that holds such a character stays whole here, for a marker to stand for it."""
    if isinstance(value, str):
        origin = _ORIGIN.match(value)
        scheme, authority = origin.groups()
        if not reaches_over(value, origin.end()):
            value = (scheme or "") + authority.rpartition("@")[2]
    return read_text(member, value)


def read_hash(member, value):
    if not isinstance(value, str):
        raise Refuse("schema")
    return (value if re.fullmatch(r"[0-9a-f]{64}", value) else "[REDACTED:raw-key]"), None


READERS = {"text": read_text, "int": read_int, "signed": read_signed, "bool": read_bool, "money": read_money,
           "texts": read_texts, "text_or_int": read_text_or_int, "text_or_bool": read_text_or_bool,
           "time": read_time, "ranges": read_ranges, "pairs": read_pairs, "object": read_object, "any": read_any, "ip": read_ip,
           "path": read_path, "server": read_server, "hash": read_hash}
