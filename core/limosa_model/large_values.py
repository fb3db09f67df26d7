"""What is told of a value that is too large to be looked at in the run."""

VARIABLE = "LIMOSA_VALUE_BYTES"
"""The operator's setting for values that conditions, computed nodes and maps need."""


def too_large(what: str, size: int, most: int, *, decoded: bool = False) -> str:
    """Why a value, or a record of the run, is not read.

    Args:
        what: The value, for people.
        size: Bytes that it has in the store.
        most: Most that may be read of it.
        decoded: The bytes are few enough, but it has so many parts that it takes more than `most` in memory.
    """
    parts = f" and takes more than {most:,} in memory" if decoded else ""
    return (
        f"{what} has {size:,} bytes{parts}; to decide what comes next, the platform reads at most {most:,}. "
        "Have the task give what is compared or mapped over as a small output of its own: a flag, a count, a digest, "
        "or a shorter list, of files for instance"
    )
