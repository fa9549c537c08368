"""Seeds made of several numbers."""

import hashlib


def mix(*parts: object) -> int:
    """A 64-bit number that depends on all parts, equal in every process and on every machine."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
