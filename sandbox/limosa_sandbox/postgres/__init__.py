"""The real Postgres, from a wheel, as a child process on loopback.

Belongs here: finding its programs, making its data directory, running it as a user it accepts, stopping it
in order. Does not belong here: what is stored in it.
"""
