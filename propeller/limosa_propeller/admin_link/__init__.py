"""The link to admin: which runs this cluster should have, and what became of them.

What belongs here: the Sync loop, the outbox of snapshots. What does not: anything a cluster without admin needs.
"""
