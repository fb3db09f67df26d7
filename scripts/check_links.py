"""Fails when a Markdown file links to a file of this repository that is not there."""

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def main() -> int:
    """Checks every tracked Markdown file; prints each dead link as file:line."""
    listing = subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout
    dead = 0
    for name in listing.split():
        for number, line in enumerate(Path(name).read_text(encoding="utf-8").splitlines(), 1):
            for target in LINK.findall(line):
                if not (Path(name).parent / target).exists():
                    print(f"{name}:{number}: {target} is not there", file=sys.stderr)
                    dead += 1
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
