"""Entry of a launch."""

import gc
import os
import sys

# What loads here stays until the end: collecting it, now or while the author's code runs, frees nothing.
gc.disable()
from limosa.runtime import main  # noqa: E402

gc.freeze()
gc.enable()

if __name__ == "__main__":
    code = main(dict(os.environ))
    # Threads or atexit hooks that the author's code left behind must not hold back an outcome that is durable.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
