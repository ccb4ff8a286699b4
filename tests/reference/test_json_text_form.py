"""Goal: the reference's JSON text form is what PostgreSQL prints for jsonb, and its own refusals are exactly those of
chain-v1.

Method: the cases of the format's document, then 20,000 generated documents and 20,000 numbers compared with the server
in a few statements.
"""

import json
import random

import psycopg
import pytest

import chain
import jsontext
import make_vectors


@pytest.mark.parametrize("text, printed", [
    ("1.0", "1.0"), ("1.00", "1.00"), ("1e5", "100000"), ("1.50e1", "15.0"), ("1E-5", "0.00001"), ("-0", "0"),
    ("-0.0", "0.0"), ("0.0e-5", "0.000000"), ("100e-2", "1.00"),
    ('{"bb":1,"a":2,"":3,"B":4}', '{"": 3, "B": 4, "a": 2, "bb": 1}'), ('{"a":1,"a":2}', '{"a": 2}'),
    ('[1,{"a":[]}]', '[1, {"a": []}]'), ('"\\u007f\\u2028\\/"', '"\u007f\u2028/"'),
    ('"\\b\\f\\n\\r\\t\\u0001\\u001F"', '"\\b\\f\\n\\r\\t\\u0001\\u001f"')])
def test_a_document_prints_as_the_format_says(text, printed):
    assert jsontext.canonical(text) == printed


@pytest.mark.parametrize("text", make_vectors.NUMBERS_REFUSED + make_vectors.DOCUMENTS_REFUSED)
def test_what_has_no_text_form_is_refused(text):
    with pytest.raises(jsontext.JsonTextError):
        jsontext.canonical(text)


@pytest.mark.parametrize("text", ["1e999999999", "-1e-999999999", "0e-999999999", "1" * 100_000, "0." + "0" * 100_000])
def test_a_number_that_would_be_long_is_refused_without_being_printed(text):
    with pytest.raises(jsontext.JsonTextError):
        jsontext.print_number(text)


def random_number(source):
    whole = source.choice(["0", str(source.randrange(1, 10**source.randrange(1, 20)))])
    fraction = "." + "".join(source.choices("0123456789", k=source.randrange(1, 20))) if source.random() < 0.6 else ""
    exponent = source.choice("eE") + source.choice(["", "+", "-"]) + str(source.randrange(25)) if source.random() < 0.5 else ""
    return source.choice(["", "-"]) + whole + fraction + exponent


def random_string(source):
    alphabet = ['"', "\\", "/", "\b", "\n", "\u0001", "\u001f", "\u007f", "a", "B", "é", "字", "😀", "\u2028", "\ufffe", " "]
    return "".join(source.choices(alphabet, k=source.randrange(6)))


def random_document(source, depth=0):
    shape = source.randrange(8 if depth < 4 else 5)
    if shape < 2:
        return random_number(source)
    if shape == 2:
        return source.choice(["null", "true", "false"])
    if shape < 5:
        return json.dumps(random_string(source), ensure_ascii=source.random() < 0.5)
    items = [random_document(source, depth + 1) for _ in range(source.randrange(5))]
    if shape == 5:
        return "[" + ", ".join(items) + "]"
    return "{" + ",".join(f"{json.dumps(random_string(source))}:{item}" for item in items) + "}"


def compare_with_server(cluster_uri, texts):
    """Every text that has a form prints as the server prints it."""
    expected = {}
    for text in texts:
        try:
            expected[text] = jsontext.canonical(text)
        except jsontext.JsonTextError:
            continue
    assert len(expected) > len(texts) // 2
    with psycopg.connect(cluster_uri) as connection:
        printed = connection.execute("SELECT t, t::jsonb::text FROM unnest(%s::text[]) AS t", (list(expected),)).fetchall()
    assert len(printed) == len(expected)
    for text, server in printed:
        assert expected[text] == server, text


def test_generated_documents_print_as_the_server_prints_them(cluster_uri):
    source = random.Random(20261122)
    compare_with_server(cluster_uri, [random_document(source) for _ in range(20_000)])


def test_generated_numbers_print_as_the_server_prints_them(cluster_uri):
    source = random.Random(7693)
    compare_with_server(cluster_uri, [random_number(source) for _ in range(20_000)])


def test_the_known_answers_are_the_servers(cluster_uri):
    with psycopg.connect(cluster_uri) as connection:
        for text in make_vectors.NUMBERS + make_vectors.DOCUMENTS:
            assert connection.execute("SELECT %s::jsonb::text", (text,)).fetchone()[0] == jsontext.canonical(text)
        for text in make_vectors.DECIMALS:
            assert connection.execute("SELECT trim_scale(%s::numeric)::text", (text,)).fetchone()[0] == (
                chain.print_decimal(text))
        for text in make_vectors.ADDRESSES:
            sent, printed = connection.execute("SELECT inet_send(%s::inet), %s::inet::text", (text, text)).fetchone()
            assert sent == chain.encode_ip(text) == chain.encode_ip(printed)
