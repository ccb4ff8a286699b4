"""Goal: every C++ file is as .clang-format says.

Method: ask clang-format, which changes nothing here. To mend: clang-format -i FILE.
"""

import re
import subprocess
from pathlib import Path

kRoot = Path(__file__).resolve().parents[2]


def test_every_cpp_file_is_formatted():
    files = [str(path.relative_to(kRoot)) for folder in ("include", "src", "tests", "bench") if (kRoot / folder).exists()
             for path in sorted((kRoot / folder).rglob("*")) if path.suffix in (".h", ".cc")]
    assert files
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], cwd=kRoot, capture_output=True, text=True)
    assert done.returncode == 0, sorted(set(re.findall(r"^(\S+?):\d+:", done.stderr, re.MULTILINE)))
