"""What the benchmarks say, and how: spreads, tables that read well as text and as Markdown, JSON for the report."""

import json
import statistics
import subprocess
import sys
from datetime import date


def spread(values, digits=2):
    digits = digits or None  # round(x, 0) is a float, round(x, None) an integer
    return {"median": round(statistics.median(values), digits), "min": round(min(values), digits),
            "max": round(max(values), digits)}


def cell(value):
    """A figure with its spread, where it has one."""
    if not isinstance(value, dict):
        return f"{value:,}" if isinstance(value, (int, float)) else str(value)
    if value["min"] == value["max"]:
        return f"{value['median']:,}"
    return f"{value['median']:,} ({value['min']:,} to {value['max']:,})"


def table(header, rows):
    """The lines of a Markdown table, aligned; figures to the right."""
    body = [[cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in [header, *body]) for column in range(len(header))]

    def line(cells):
        return "| " + " | ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(header), line(rule), *map(line, body)]


def verdict(relation, limit, measured):
    """Whether a target (at least or at most) is met, else by how much it is missed."""
    if measured >= limit if relation == "≥" else measured <= limit:
        return "met"
    return f"missed: {measured / limit:.2f} of it" if relation == "≥" else f"missed: {measured / limit:.2f} times it"


def revision():
    """What is checked out."""
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def progress(*words):
    """What a program does now, for who waits."""
    print(*words, file=sys.stderr, flush=True)


def finish(result, text):
    """The tables for people, the JSON for bench/run."""
    progress("\n" + "\n".join(text(result)) + "\n")
    print(json.dumps({**result, "date": str(date.today()), "at_revision": revision()}))
