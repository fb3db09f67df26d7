"""Pods: how a launch becomes a manifest, and how a pod's JSON becomes what the engine reads.

What belongs here: pure translation. What does not: requests to the API server.
"""
