"""Golden screens: what a person sees, kept as text files beside the tests."""

import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))


@pytest.fixture
def screen():
    """Renders to a terminal of 100 columns and gives the text."""

    def show(renderable):
        console = Console(file=io.StringIO(), width=100, color_system=None, legacy_windows=False)
        console.print(renderable)
        return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"

    return show


@pytest.fixture
def golden():
    """Compares with a kept screen; LIMOSA_WRITE_GOLDEN=1 writes it instead."""

    def compare(name, text):
        path = HERE / "golden" / f"{name}.txt"
        if os.environ.get("LIMOSA_WRITE_GOLDEN"):
            path.write_text(text)
        assert text == path.read_text()

    return compare
