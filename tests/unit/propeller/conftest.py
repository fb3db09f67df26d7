"""Makes the modules that these tests share importable: their own, the engine's random graphs, the referee."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine"), str(HERE.parents[1] / "integration" / "faults")]
