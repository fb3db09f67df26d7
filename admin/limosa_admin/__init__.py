"""The control plane: what is registered, what should run, and what is known of it.

Belongs here: gRPC services for clients and operators, the pages for browsers, the Postgres store behind both, and
who may do what. Does not belong here: Kubernetes (operators pull their work), the decisions of a running workflow
(`limosa_engine`), and rules that other sides share (`limosa_model`).

| package | what lives there |
|---|---|
| `store` | everything that speaks SQL: one module per noun, one function per question |
| `rpc` | the gRPC server: authentication, errors, one class per service |
| `web` | pages, health, and transfers through admin for browsers and clients |
"""

VERSION = "0.1.0"
"""Version this server reports."""
