"""What a person sees in a terminal: progress, results, failures.

Belongs here: pure functions from run updates, literals, problems and failures to
renderables, and the live display around them. Does not belong here: talking to
admin, deciding exit codes, or wording that only one command uses.
"""
