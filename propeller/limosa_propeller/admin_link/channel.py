"""The gRPC channel to admin."""

from typing import Any

import grpc
import grpc.aio

from limosa_propeller.settings import AdminSettings

MAX_MESSAGE_BYTES = 16 * 1024 * 1024


def open_channel(settings: AdminSettings) -> grpc.aio.Channel:
    """A channel that reconnects by itself; nothing is sent yet."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        # Our own pauses say how often admin is tried; the channel must not add its own to them.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]
    if settings.ca_file is None:
        return grpc.aio.insecure_channel(settings.endpoint, options)
    credentials = grpc.ssl_channel_credentials(settings.ca_file.read_bytes())
    return grpc.aio.secure_channel(settings.endpoint, credentials, options)


def call_metadata(settings: AdminSettings) -> Any:
    """Metadata of a call; the token is read each time, so that it can be rotated under a running operator."""
    if settings.token_file is None:
        return ()
    return (("authorization", f"Bearer {settings.token_file.read_text().strip()}"),)
