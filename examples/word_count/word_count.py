"""Which words do these texts use most? One pod per text, then one that adds up.

limosa run --remote word_count.py --texts texts
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from limosa import Directory, File, map_task, task, workflow

WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass
class WordCount:
    """A word and how often it occurs."""

    word: str
    count: int


@task
def list_texts(texts: Directory) -> list[File]:
    """The text files of a directory, in order of their names."""
    found = sorted(Path(texts.path).glob("*.txt"))
    if not found:
        raise ValueError(f"{texts.path} has no .txt files")
    return [File(path) for path in found]


@task(retries=1)
def count_words(text: File) -> dict[str, int]:
    """Counts the words of one text; runs in a pod of its own."""
    words = WORD.findall(Path(text.path).read_text(encoding="utf-8").lower())
    print(f"{len(words)} words")
    return dict(Counter(words))


@task
def most_common(counts: list[dict[str, int]], top: int) -> list[WordCount]:
    """Adds up and keeps the most frequent, ties in alphabetical order."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    ranked = sorted(total.items(), key=lambda entry: (-entry[1], entry[0]))
    return [WordCount(word, count) for word, count in ranked[:top]]


@workflow
def word_count(texts: Directory, top: int = 10) -> list[WordCount]:
    """The most frequent words over all texts."""
    counts = map_task(count_words)(text=list_texts(texts=texts))
    return most_common(counts=counts, top=top)
