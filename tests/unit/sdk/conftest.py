"""An author's file, written, loaded and compiled as the command line does it."""

import itertools
import sys
import textwrap

import pytest

from limosa.compiler import compile_entity, load_module
from limosa.errors import LimosaError

PRELUDE = "from limosa import *\n"


class Author:
    """Writes files below one source root and forgets their modules at the end."""

    def __init__(self, root):
        self.root = root
        self._numbers = itertools.count()
        self._modules = set(sys.modules)
        self._path = list(sys.path)
        (root / "limosa.toml").write_text("")

    def write(self, source, name=None):
        """Writes a module; its first line is 1."""
        path = self.root / (name or f"flow{next(self._numbers)}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source).lstrip("\n"))
        return path

    def load(self, source, name=None):
        return load_module(str(self.write(source, name)))

    def compile(self, source, entity="wf", name=None):
        return compile_entity(self.load(source, name).entities[entity])

    def error(self, source, entity="wf", name="flow.py"):
        """What a person reads when the file cannot be compiled."""
        with pytest.raises(LimosaError) as caught:
            self.compile(source, entity, name)
        return str(caught.value)

    def forget(self):
        for name in set(sys.modules) - self._modules:
            module = sys.modules[name]
            if str(getattr(module, "__file__", None) or "").startswith(str(self.root)):
                del sys.modules[name]
        sys.path[:] = self._path


@pytest.fixture
def author(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Author(tmp_path)
    yield made
    made.forget()
