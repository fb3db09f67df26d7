"""Draws the engine's phase tables: `python scripts/engine_phases.py > docs/engine-phases.md`."""

from limosa_engine.diagrams import render

print(render(), end="")
