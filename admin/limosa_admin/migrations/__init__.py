"""Alembic migrations of admin's database, shipped inside the package.

Belongs here: one revision a change, each in expand/contract steps so that the release before still works on it.
Does not belong here: data that the program makes by itself when it runs.
"""
