"""How long a session may stay detached, as people and programs write it. Pure Python."""

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)


def parse_ttl(value: object) -> int:
    """Seconds of `1800`, `"1800"`, `"90s"`, `"30m"`, `"1h"` or `"1d"`; 0 is a time without end. Raises `ValueError`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := _FORM.fullmatch(value.strip().lower())):
        return int(found[1]) * UNITS.get(found[2], 1)
    raise ValueError('"ttl" is a time such as 30m, 1h or 3600 (seconds); 0 is a time without end.')
