"""Goal: nothing in the README is untrue: what a program can say is compared with the program.

Method: read the README as text, run the built binary, look at the files it links.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

kRoot = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(kRoot / "deploy")]

from local.sealed_stack import SealedStack  # noqa: E402

kBinary = Path(os.environ.get("SEALSTREAM_BINARY", kRoot / "build" / "dev" / "src" / "app" / "sealstream"))
kDocuments = ["README.md", "src/README.md", "schemas/README.md", "tests/RELIABILITY.md"]


def text(name="README.md"):
    return (kRoot / name).read_text()


def help_of(*words):
    return subprocess.run([str(kBinary), *words, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("document", kDocuments)
def test_every_link_leads_to_a_file(document):
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text(document))
    missing = [link for link in links if "://" not in link and not ((kRoot / document).parent / link).exists()]
    assert links and missing == []


def operating_lines():
    block = re.search(r"## Operate\n\n```\n(.*?)```", text(), re.DOTALL)[1]
    return [re.split(r"\s{2,}", line)[0].split()[1:] for line in block.splitlines()]


def test_the_operating_commands_are_those_of_the_binary():
    listed = {words[0] for words in operating_lines()} | {"verify", "version"}
    commands = set(re.findall(r"^  ([a-z-]+) {2,}", help_of().partition("Subcommands:")[2], re.MULTILINE))
    assert listed == commands


def test_every_option_and_subcommand_named_beside_a_command_exists():
    for command, *words in operating_lines():
        known = help_of(command)
        for word in re.findall(r"[a-z-]+", " ".join(words)):
            assert word in known, f"sealstream {command} {word}"


def test_options_in_examples_exist():
    for command, options in re.findall(r"^sealstream ([a-z-]+) ([^#\n]*)", text(), re.MULTILINE):
        for option in re.findall(r"--[a-z-]+", options):
            assert option in help_of(command), f"sealstream {command} {option}"


def test_exit_codes_of_verify_are_those_of_the_help():
    told = re.search(r"intact \(exit code (\d)\), tampered \((\d);.*?incomplete \((\d)\) or undecidable \((\d)\)", text(), re.DOTALL)
    table = dict(reversed(row) for row in re.findall(r"^ +(\d+) .*?verify: (intact|tampered|incomplete|undecidable)", help_of(),
                                                     re.MULTILINE))
    assert [table[verdict] for verdict in ("intact", "tampered", "incomplete", "undecidable")] == list(told.groups())


def test_number_of_sample_events_is_that_of_the_quickstart():
    assert f"publishes {SealedStack.sample_count:,} sample events" in text().replace("\n", " ")


def test_every_metric_named_in_a_document_is_exported():
    source = "".join(path.read_text() for path in (kRoot / "src" / "metrics").glob("*.*"))
    for name in re.findall(r"sealstream_([a-z_]+)", text()):
        assert f'"{name}"' in source or f'"sealstream_{name}"' in source, name


def test_every_scripted_command_is_there_and_executable():
    for name in set(re.findall(r"`?((?:deploy|tests|bench)/[a-z-]+)(?=[\s`])", text())):
        path = kRoot / name
        assert path.is_dir() or os.access(path, os.X_OK), name
