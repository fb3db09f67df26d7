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
    # Nothing that is left of the launch is waited for: not even a thread that waits for the store.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
