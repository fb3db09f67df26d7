"""Locks: exact wheels for one Python on one platform."""

import hashlib
import json
from typing import NamedTuple

FORMAT = 1
"""Of the text; a pod refuses another one."""


class Wheel(NamedTuple):
    """One wheel of a lock."""

    name: str
    """Of the package, normalised."""
    version: str
    file: str
    """Name of the file, which says what it is for."""
    sha256: str
    """Of its bytes, in hex; its address in the store."""


class PackageLock(NamedTuple):
    """What a declaration was resolved to: same wheels, same text, same digest."""

    python: str
    """Minor version of Python ("3.12")."""
    platform: str
    """As uv names it ("x86_64-manylinux_2_28")."""
    wheels: tuple[Wheel, ...]
    """By name."""

    def text(self) -> bytes:
        """What is stored; its sha256 is the lock's digest."""
        content = {
            "format": FORMAT,
            "python": self.python,
            "platform": self.platform,
            "wheels": [wheel._asdict() for wheel in self.wheels],
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """sha256 (hex) of the text."""
        return hashlib.sha256(self.text()).hexdigest()

    @classmethod
    def parse(cls, text: bytes) -> "PackageLock":
        """Reads what `text` wrote. Raises ValueError."""
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"it is no lock of format {FORMAT}")
        try:
            wheels = tuple(Wheel(**wheel) for wheel in content["wheels"])
            return cls(content["python"], content["platform"], wheels)
        except (KeyError, TypeError) as error:
            raise ValueError(f"it is no lock: {error}") from error
