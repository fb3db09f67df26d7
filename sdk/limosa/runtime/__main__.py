"""Entry of a launch."""

import os
import sys

from limosa.runtime import main

if __name__ == "__main__":
    code = main(dict(os.environ))
    # Threads or atexit hooks that the author's code left behind must not hold back an outcome that is durable.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
