"""The embedded default platform: cluster, node, Postgres and S3 endpoint as local processes.

Here belongs what stands in for a real Kubernetes cluster, database or object store on one machine, and the process that
starts and stops them together. No workflow logic belongs here, and nothing imports this package: the command line starts
``python -m limosa_sandbox``, and everything else talks to it over the same protocols as to the real thing.
"""
