"""What is wrong with something a person wrote."""

from typing import NamedTuple


class Problem(NamedTuple):
    """One fault in a spec or a request: what, where, and what to do."""

    code: str
    """Stable CamelCase identifier."""
    place: str
    """The thing and where it stands ("house.wf: node n3 (train): input 'rate' (flow.py:12)")."""
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line: "place: message; remedy"."""
        text = f"{self.place}: {self.message}"
        return f"{text}; {self.remedy}" if self.remedy else text
