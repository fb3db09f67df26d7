"""One driver per run, and what drivers share.

What belongs here: feeding the engine, carrying out its commands, writing status. What does not: the rules of the
graph.
"""
