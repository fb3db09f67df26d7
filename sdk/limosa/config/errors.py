"""What can be wrong with configuration."""

from limosa.errors import LimosaError


class ConfigError(LimosaError):
    """A configuration file or value cannot be used."""

    UNREADABLE = "ConfigUnreadable"
    UNKNOWN_KEY = "ConfigUnknownKey"
    BAD_VALUE = "ConfigBadValue"
    NO_CONTEXT = "ConfigNoContext"
