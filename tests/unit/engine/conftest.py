"""Makes the modules that only these tests share importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
