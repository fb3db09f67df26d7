"""Kubernetes as raw dictionaries over HTTP: credentials, one session, a handful of verbs.

What belongs here: how to reach the API server and what its answers mean. What does not: what a run or a task is.
"""
