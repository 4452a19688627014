"""What must never leave this machine: credentials, in whatever text they turn up.

Two kinds are known. The user part of an address (what stands before its `@`), and the values of
environment variables whose names say that they are secret. Provenance is written through `redact`,
and a crate is refused where `leaks` finds any.
"""

import os
import re
from collections.abc import Mapping

SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSW|CREDENTIAL|API_?KEY|ACCESS_KEY|PRIVATE_KEY", re.I)
SHORTEST = 8  # shorter values, such as "1" or "true", stand in ordinary text too
USER_PART = re.compile(r"(?<=://)[^\s/@'\"<>]+(?=@)")
HIDDEN = "***"


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """`text` with every credential in it replaced by `***`."""
    for value in _secrets(environment).values():
        text = text.replace(value, HIDDEN)
    return USER_PART.sub(HIDDEN, text)


def leaks(text: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """What kinds of credentials `text` holds; never the credentials themselves."""
    found = [f"the value of ${n}" for n, value in _secrets(environment).items() if value in text]
    if any(match[0] != HIDDEN and ":" in match[0] for match in USER_PART.finditer(text)):
        found.append("an address with a password")
    return found


def _secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Values of variables with telling names, the longest first."""
    found = {n: v for n, v in environment.items() if SECRET_NAME.search(n) and len(v) >= SHORTEST}
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))
