"""Access keys: where the environment holds them, and how they are kept out of every message."""

from __future__ import annotations

import os
from collections.abc import Mapping

from src.common.environment import mask_secrets

# Access key, secret key and session token, by the names of AWS, of the OBS SDK and of MoXing.
KEY_NAMES: tuple[tuple[str, str, str], ...] = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SECURITY_TOKEN"),
)
_MASK = "***"
# Shorter values are no keys, and masking them would make messages unreadable.
_SHORTEST = 4


def find_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of boto3 with the keys of the first complete set; none leaves boto3 to its own places."""
    for access, secret, token in KEY_NAMES:
        if environment.get(access) and environment.get(secret):
            found = {"aws_access_key_id": environment[access], "aws_secret_access_key": environment[secret]}
            if environment.get(token):
                found["aws_session_token"] = environment[token]
            return found
    return {}


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text of another program with every key of the environment and every password in an address masked."""
    source = os.environ if environment is None else environment
    values = {source.get(name, "") for names in KEY_NAMES for name in names}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, _MASK)
    return mask_secrets([text])[0]
