"""What an author or a caller can get wrong, as one type that names thing, place and remedy."""


class LimosaError(Exception):
    """Something a person can put right.

    Attributes:
        code: Stable CamelCase identifier.
        message: What is wrong, for people.
        place: Where: a file and line, a task and argument, a URI. Empty where there is none.
        remedy: What to do about it. Empty where the message says it.
        is_mistake: Raised in a task it is made again by every attempt; else it may pass.
    """

    is_mistake = True

    def __init__(self, code: str, message: str, place: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        """One line or more: "place: message; remedy"."""
        return f"{self.located}; {self.remedy}" if self.remedy else self.located

    @property
    def located(self) -> str:
        """What is wrong and where, without what to do about it."""
        return f"{self.place}: {self.message}" if self.place else self.message


class CorruptData(LimosaError):
    """Stored bytes are not those that were written: their digest is another, or they cannot be read."""

    def __init__(self, uri: str, why: str = "their digest is another") -> None:
        """Takes which bytes they are, and what shows it."""
        super().__init__(
            "CorruptData",
            f"the stored bytes are not those that were written: {why}",
            uri,
            "the object store changed them; run the workflow again",
        )


class ScriptFailed(Exception):
    """A script ended with a status other than 0, or without writing an output; the message says which.

    Attributes:
        remedy: What to do about it; empty where its log tells.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
