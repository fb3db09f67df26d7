"""Limosa's vocabulary on the wire: types, literals, specs, runs, services.

Belongs here: the `.proto` files and what `make proto` generates from them. Does
not belong here: hand-written classes or behaviour; rules over these messages are
`limosa_model`.
"""
