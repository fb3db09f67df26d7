"""`python -m limosa_propeller`."""

import sys

from limosa_propeller.main import main

sys.exit(main())
