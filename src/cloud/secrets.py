"""Access keys: where the environment holds them, and how they are kept out of every message."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from src.common.environment import mask_secrets
from src.common.errors import ConfigError

# Access key, secret key and session token, by the names of AWS, of the OBS SDK and of MoXing.
KEY_NAMES: tuple[tuple[str, str, str], ...] = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),
    ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SECURITY_TOKEN"),
)
# Visible characters of ASCII.
_KEY = re.compile(r"[!-~]*")
_MASK = "***"
# Shorter values are no keys, and masking them would make messages unreadable.
_SHORTEST = 4


def find_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments of boto3 with the keys of the first complete set; none leaves boto3 to its own places.

    Raises:
        ConfigError: A key holds what no key holds; the message does not repeat it.
    """
    for access, secret, token in KEY_NAMES:
        if environment.get(access) and environment.get(secret):
            for name in (access, secret, token):
                if not _KEY.fullmatch(environment.get(name, "")):
                    what = "the key holds a line break, a space or another character that no key has"
                    raise ConfigError(what, name, "set it to the key alone")
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
