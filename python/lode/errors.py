"""Why bytes or values are refused."""


class Refused(ValueError):
    """Bytes that are no update or step. Their sender is to blame."""


class Malformed(Refused):
    """Bytes that mean nothing under this layout and these parameters."""


class NotCanonical(Refused):
    """Bytes that say in another form what has exactly one."""


class NotFinite(ValueError):
    """A NaN or an infinity where a number must be."""


def must(holds: bool, refusal: type[Refused], reason: str) -> None:
    """Refuses with the given reason unless the condition holds."""
    if not holds:
        raise refusal(reason)
