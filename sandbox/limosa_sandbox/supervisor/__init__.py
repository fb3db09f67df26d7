"""What starts the parts of the platform in order, keeps them running, and stops them in order.

Belongs here: the home directory, ports and credentials that persist, child processes, bootstrap of the
embedded cluster, the state file the command line reads. Does not belong here: what a part does.
"""
