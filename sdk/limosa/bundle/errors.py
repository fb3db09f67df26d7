"""What can be wrong with a bundle."""

from limosa.errors import LimosaError


class BundleError(LimosaError):
    """A bundle cannot be made or must not be unpacked; `code` says which of the codes below."""

    CORRUPT = "BundleCorrupt"
    HOSTILE = "BundleHostile"
    TOO_LARGE = "BundleTooLarge"
    UNREADABLE = "BundleUnreadable"
