"""What the fuzz targets begin with: inputs made of the tests' own data, in each target's form."""

import json
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]
kData = kRoot / "tests" / "data"
kValues = {"text": "a text", "int64": "-42", "timestamp": "1000000", "bool": "true", "bytes": "0123456789abcdef",
           "decimal": "0.00022500000000000002", "json": '{"b": [1.0, "x"], "a": null}'}
kAddress = b"\x02\x20\x00\x04\xc0\xa8\x01\x02"
kRequests = ["GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /livez HTTP/1.1\r\n\r\n", "POST /livez HTTP/1.1\r\n\r\n",
             "GET /nowhere HTTP/1.0\r\n\r\n", "GET /livez HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "GET /liv\n---\nez HTTP/1.1\r\n\r\n",
             "GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "GET /livez HTTP/2.0\r\n\r\n",
             "GET /livez HTTP/1.1\r\nX: " + "y" * 9000 + "\r\n\r\n"]


def vectors():
    with open(kData / "decode_vectors.jsonl") as lines:
        return [vector for vector in map(json.loads, lines) if isinstance(vector["value"], str)]


def samples():
    return [path.read_text() for path in sorted((kData / "samples").rglob("*.json*"))]


def as_record(vector):
    key = vector["key"] if isinstance(vector["key"], str) else ""
    headers = [name if value is None else f"{name}: {value}" for name, value in vector["headers"]
               if value is None or isinstance(value, str)]
    return "\n".join([key, *headers, "", vector["value"]])


def as_row(columns):
    return b"".join((kAddress if column["type"] == "ip" else kValues[column["type"]].encode()) + b"\n" for column in columns)


def seeds(target):
    """The inputs of a target, as bytes."""
    if target == "decode":
        texts = [as_record(vector) for vector in vectors()]
        accepted = next(as_record(vector) for vector in vectors() if "reason" not in vector)
        texts.append(accepted.replace('"status"', '"large": [1e30, 18446744073709551616, 1e-60], "status"', 1))
    elif target == "secrets":
        texts = [*(kRoot / "schemas" / "secret-rules.tsv").read_text().splitlines(), *samples()]
    elif target == "json_text":
        texts = [*samples(), *(vector["value"] for vector in vectors()), "1e-7", "-0.10", "123456789012345678901234567890"]
    elif target == "copy_rows":
        columns = json.loads((kRoot / "schemas" / "chain-v1.columns.json").read_text())["columns"]
        return [as_row(columns), as_row(columns) * 2, b"\n" * len(columns)]
    elif target == "config":
        lines = (kRoot / "deploy" / "sealstream.example.yaml").read_text().splitlines()
        example = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
        texts = ["\n" + example, "SEALSTREAM__KAFKA__BROKERS=a:1\nSEALSTREAM__INGEST__LANES=2\n\n" + example]
    else:
        texts = kRequests
    return [text.encode() for text in texts]
