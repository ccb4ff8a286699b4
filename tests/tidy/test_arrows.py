"""Goal: the folders depend on each other in one direction only, and each third-party library has one home.

Method: grep every #include of src/ and include/, and compare it with the arrows written here.
"""

import re
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]
kInclude = re.compile(r'^\s*#include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# folder -> the folders of ours that it may include, beside itself
kArrows = {
    "core": [],
    "ingest": ["core"],
    "kafka": ["ingest", "core"],
    "postgres": ["ingest", "core"],
    "metrics": ["ingest", "core"],
    "http": ["ingest", "core"],
    "app": ["kafka", "postgres", "metrics", "http", "ingest", "core"],
}

# how a library's headers begin -> its homes
kHomes = {
    r"simdjson": ["core"],
    r"openssl/": ["core"],
    r"boost/": ["http", "app"],
    r"spdlog/": ["app"],
    r"yaml-cpp/": ["app"],
    r"CLI/": ["app"],
    r"librdkafka/": ["kafka"],
    r"libpq|postgresql/": ["postgres"],
    r"prometheus/": ["metrics"],
}

# std only: what core may not include, because it would let it do I/O, read a clock, or lock
kImpure = ["iostream", "fstream", "cstdio", "filesystem", "thread", "mutex", "condition_variable", "atomic", "future",
           "ctime", "random", "sys/"]


def sources():
    for base in ("src", "include/sealstream"):
        for path in sorted((kRoot / base).glob("*/*")):
            if path.suffix in (".h", ".cc"):
                yield path.parent.name, path


def includes(path):
    return kInclude.findall(path.read_text())


def owner(name):
    """The folder of ours that a quoted include names."""
    return name.removeprefix("sealstream/").split("/")[0]


def test_there_is_something_to_check():
    assert {folder for folder, _ in sources()} == set(kArrows)


def test_every_arrow_between_folders_points_down():
    wrong = [f"{path.relative_to(kRoot)} includes {name}" for folder, path in sources() for mark, name in includes(path)
             if mark == '"' and owner(name) not in [folder, *kArrows[folder]]]
    assert wrong == []


def test_every_library_stays_in_its_home():
    wrong = [f"{path.relative_to(kRoot)} includes {name}" for folder, path in sources() for mark, name in includes(path)
             for pattern, homes in kHomes.items() if mark == "<" and re.match(pattern, name) and folder not in homes]
    assert wrong == []


def test_core_includes_nothing_that_does_input_or_output_reads_a_clock_or_locks():
    wrong = [f"{path.relative_to(kRoot)} includes {name}" for folder, path in sources() if folder == "core"
             for mark, name in includes(path) if mark == "<" and any(name.startswith(impure) for impure in kImpure)]
    assert wrong == []


def test_core_reads_no_clock():
    wrong = [str(path.relative_to(kRoot)) for folder, path in sources() if folder == "core" and "::now()" in path.read_text()]
    assert wrong == []
