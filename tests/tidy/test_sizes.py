"""Goal: a function fits a screen, a file has one subject, and what a newcomer reads first stays short.

Method: count lines. A function's definition begins at column 0 and ends with a brace at column 0, as clang-format sets it.
"""

import re
import subprocess
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]
kMaxFunctionLines = 70
kMaxFileLines = 500
kFolders = ("src", "include", "tests", "bench", "deploy", "migrations")
kNoFunction = re.compile(r"^(namespace|struct|class|enum|union|extern|constexpr|inline constexpr|const|static const|using|TEST|"
                         r"MATCHER|#|//|})")


def tracked(*suffixes):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *kFolders], cwd=kRoot,
                            capture_output=True, text=True, check=True).stdout
    return [kRoot / name for name in listed.splitlines() if name.endswith(suffixes) and (kRoot / name).exists()]


def functions(path):
    """(first line's number, number of lines) of each function that is defined at namespace scope."""
    begin = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if begin is None and line and not line[0].isspace() and not kNoFunction.match(line):
            begin = number
        if begin is not None and line.endswith(";") and not line[0].isspace():
            begin = None
        if line == "}" and begin is not None:
            yield begin, number - begin + 1
            begin = None
        if not line:
            begin = begin if begin is not None and number - begin > 1 else None


def test_no_function_is_longer_than_a_screen():
    long = [f"{path.relative_to(kRoot)}:{begin} has {lines} lines" for path in tracked(".cc", ".h")
            for begin, lines in functions(path) if lines > kMaxFunctionLines]
    assert long == []


def test_no_file_has_more_than_one_subject():
    long = [f"{path.relative_to(kRoot)} has {len(path.read_text().splitlines())} lines"
            for path in tracked(".cc", ".h", ".py", ".sql") if len(path.read_text().splitlines()) > kMaxFileLines]
    assert long == []


def test_main_and_assemble_stay_short():
    limits = {"src/app/main.cc": 60, "src/app/assemble.cc": 150}
    long = [name for name, limit in limits.items() if len((kRoot / name).read_text().splitlines()) > limit]
    assert long == []
