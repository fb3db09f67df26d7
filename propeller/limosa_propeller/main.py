"""Starts the operator: flags, logging, event loop, exit status."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Sequence

import uvloop

from limosa_propeller.kube.credentials import CredentialsError
from limosa_propeller.logs import configure_logging
from limosa_propeller.settings import SettingsError, describe_settings, parse_settings
from limosa_propeller.supervisor import LeadershipLostError, Supervisor, UnusableStoreError
from limosa_store.errors import StoreError
from limosa_store.settings import StoreSettings

logger = logging.getLogger(__name__)

EXIT_SETTINGS = 2
EXIT_LEADERSHIP = 3
EXIT_STORE = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM; returns the exit status: 0 stopped, 2 settings, 3 leadership lost, 4 store unusable."""
    try:
        settings = parse_settings(sys.argv[1:] if argv is None else argv, os.environ)
        store = StoreSettings.from_env(os.environ)
    except (SettingsError, StoreError) as error:
        print(f"limosa_propeller: {error}", file=sys.stderr)
        return EXIT_SETTINGS
    configure_logging(settings.log_level, settings.log_format)
    logger.info("operator starts", extra={"given": describe_settings(settings)})

    async def run() -> None:
        await Supervisor(settings, store).run()

    # What was imported lives for ever and what a run makes is mostly freed by counting: looking for cycles often is waste.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # Set before kopf starts; it would otherwise build on the standard loop.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    try:
        asyncio.run(run())
    except (CredentialsError, StoreError, OSError) as error:
        logger.critical(str(error))
        return EXIT_SETTINGS
    except UnusableStoreError as error:
        logger.critical(str(error))
        return EXIT_STORE
    except LeadershipLostError:
        return EXIT_LEADERSHIP
    except KeyboardInterrupt:
        return 0
    return 0
