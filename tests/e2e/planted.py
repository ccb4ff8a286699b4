"""Secrets of every rule, each with digits of its own, and which of them stand in some bytes, however they are written there."""

import base64
import binascii
import re
import secrets
from urllib.parse import unquote_to_bytes

from deployment import kRoot

kDigits = 12
kBlank = "0" * kDigits


def tail(digits, length):
    return (digits + "123456789" * 11)[:max(length, len(digits))]


def of_line(rule, pattern, digits):
    """(rule, secret, what stands there once it is redacted) of a line whose pattern is a prefix and so many characters."""
    prefix, least = re.fullmatch(r"(.*?)\[[^]]+\]\{(\d+),\}", pattern.replace("[.]", ".")).groups()
    return rule, prefix + tail(digits, int(least)), f"[REDACTED:{rule}]"


def others(digits):
    """The rules whose patterns are more than that."""
    pem = f"-----BEGIN RSA PRIVATE KEY-----\n{tail(digits, 64)}\n-----END RSA PRIVATE KEY-----"
    long = tail(digits, 20)
    return [("jwt", f"eyJ{long}.eyJ{long}.{long}", "[REDACTED:jwt]"),
            ("private-key", pem, "[REDACTED:private-key]"),
            ("bearer-token", f"Bearer {long}", "[REDACTED:bearer-token]"),
            ("basic-auth", f"Basic {long}==", "[REDACTED:basic-auth]"),
            ("basic-auth", f"Authorization: Basic {long}", "[REDACTED:basic-auth]"),
            ("url-credentials", f"https://bob:{digits}@host/path", "https://[REDACTED:url-credentials]@host/path"),
            ("url-key", f"https://host/path?api_key={digits}&x=1", "https://host/path?api_key=[REDACTED:url-key]&x=1"),
            ("url-key", f"https://host/path?x=1&token={digits}", "https://host/path?x=1&token=[REDACTED:url-key]"),
            ("url-key", f"https://host/path#access_token={digits}", "https://host/path#access_token=[REDACTED:url-key]"),
            ("named-secret", f'password="{digits}"', 'password="[REDACTED:named-secret]"')]


def secrets_with(digits):
    """(rule, secret, what stands there once it is redacted) for each line of schemas/secret-rules.tsv."""
    lines = [line.split("\t") for line in (kRoot / "schemas" / "secret-rules.tsv").read_text().splitlines()
             if not line.startswith("#")]
    special = others(digits)
    simple = [of_line(rule, pattern, digits) for rule, _, pattern in lines if rule not in {rule for rule, _, _ in special}]
    return simple + special


def decoded(run):
    """What a run of the alphabet of base64 may stand for, wherever in it the encoding begins."""
    for begin in range(4):
        whole = run[begin:]
        yield base64.urlsafe_b64decode(whole[:len(whole) // 4 * 4])


def readings(content):
    """The bytes as they are, and what they are where they are escaped or encoded."""
    yield content
    yield unquote_to_bytes(content)
    yield re.sub(rb"\\u00([0-7][0-9A-Fa-f])", lambda escape: bytes([int(escape[1], 16)]), content)
    for run in re.findall(rb"(?:[0-9A-Fa-f]{2}){12,}", content):
        yield binascii.unhexlify(run)
    for run in re.findall(rb"[A-Za-z0-9+/_-]{20,}", content):
        yield from decoded(run.replace(b"+", b"-").replace(b"/", b"_"))


class Plants:
    """Hands out secrets, and knows each again by its digits."""

    forms = [(rule, secret) for rule, secret, _ in secrets_with(kBlank)]

    def __init__(self):
        self._mark = "".join(secrets.choice("123456789") for _ in range(6))
        self.planted = []  # what each is called, by the number that its digits end with

    def secret(self, form, place):
        """A new one of self.forms[form]."""
        rule, blank = self.forms[form]
        digits = f"{self._mark}{len(self.planted):06}"
        self.planted.append(f"rule {rule} ({blank[:24]!r}) planted in {place}")
        return blank.replace(kBlank, digits)

    def found_in(self, content):
        """What of them stands there."""
        mark = re.compile(self._mark.encode() + rb"(\d{6})")
        numbers = {int(number) for reading in readings(content) for number in mark.findall(reading)}
        return {self.planted[number] for number in numbers if number < len(self.planted)}

    def faults(self, sinks):
        """One sentence for each that stands in one of `sinks`: (name, bytes) pairs."""
        return [f"{plant} found in {sink}" for sink, content in sinks for plant in sorted(self.found_in(content))]
