"""`python -m limosa_admin`."""

import sys

from limosa_admin.cli import main

sys.exit(main(sys.argv[1:]))
