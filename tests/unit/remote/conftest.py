import sys
from pathlib import Path

# Test modules of this folder share `fake_admin`, which importlib mode does not put on the path.
sys.path.insert(0, str(Path(__file__).parent))
