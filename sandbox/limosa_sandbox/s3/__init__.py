"""An S3 endpoint over a plain directory: what boto3, obstore and presigned URLs need, unchanged.

Belongs here: signatures (SigV4), the S3 verbs over HTTP, conditional writes, multipart uploads. Does not
belong here: how an object becomes a file (`limosa_store.tree`), nor anything about workflows. It listens on
loopback only and runs as a process of its own: `python -m limosa_sandbox.s3`.
"""
