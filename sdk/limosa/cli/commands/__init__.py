"""The verbs: one file each, whose `command` the verb table names."""
