"""Names of files: what every system takes for one."""

from __future__ import annotations

import re

_DEVICE = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³]", re.IGNORECASE)


def is_device(name: str) -> bool:
    """
    Whether Windows takes *name* for one of its devices; what follows a dot makes no difference.

    >>> is_device("aux"), is_device("NUL.test_it.yaml"), is_device("auxiliary")
    (True, True, False)
    """
    return _DEVICE.fullmatch(name.partition(".")[0].rstrip()) is not None
