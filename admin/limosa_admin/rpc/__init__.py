"""The gRPC server.

Belongs here: authentication and authorisation of calls, the mapping of refusals to status codes, bounds on waiting
calls, and one class per service whose methods stay thin. Does not belong here: SQL (`store`) and rules that pages
need too (the modules of `limosa_admin` itself).
"""
