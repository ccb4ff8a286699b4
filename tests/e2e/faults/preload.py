"""Small libraries of the tests' own that stand between a program and the system."""

import subprocess
from pathlib import Path

kHere = Path(__file__).resolve().parent


def build(name, directory):
    """The library of NAME.cc beside this file, for LD_PRELOAD."""
    library = directory / f"{name}.so"
    subprocess.run(["g++", "-std=c++20", "-shared", "-fPIC", "-o", str(library), str(kHere / f"{name}.cc")], check=True)
    library.chmod(0o755)
    return library
