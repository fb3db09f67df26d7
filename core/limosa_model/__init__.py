"""Pure rules that several sides share.

Belongs here: what SDK, admin, operator and runtime must agree on, as functions
over IDL messages: literal and type rules, graph validation, bindings, digests,
names, the store layout, the pod contract, the WorkflowRun manifest. Does not
belong here: I/O, clocks, randomness, or anything only one side needs.
"""
