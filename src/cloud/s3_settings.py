"""How the S3 interface is reached, as the environment says it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from src.common.errors import ConfigError
from src.common.storage_url import StorageUrl

# S3_ENDPOINT is what ModelArts sets in its training containers.
_ENDPOINT_NAMES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT", "OBS_ENDPOINT", "OBS_SERVER")
_REGION_NAMES = ("AWS_REGION", "AWS_DEFAULT_REGION", "OBS_REGION")
_OBS_HOST = re.compile(r"obs\.([a-z0-9-]+)\.")
_STYLES = ("auto", "path", "virtual")
_SWITCHES = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}
# What boto3 takes as the name of a region.
_REGION = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)")
_CERTIFICATES = "AWS_CA_BUNDLE"


@dataclass(frozen=True)
class S3Settings:
    """Where requests go.

    Attributes:
        endpoint: Address of the server; ``None`` for AWS itself.
        region: Region that requests are signed for.
        style: Whether the bucket stands in the host name (``virtual``), in the path, or as fits the server (``auto``).
        verify: Whether certificates are checked.
    """

    endpoint: str | None
    region: str
    style: str
    verify: bool

    @property
    def shown(self) -> str:
        """The server's name for messages."""
        return self.endpoint or "AWS S3"


def read_settings(environment: Mapping[str, str], url: StorageUrl) -> S3Settings:
    """Return the settings for an address.

    Raises:
        ConfigError: A variable is wrong, or the endpoint of OBS is missing.
    """
    name = next((name for name in _ENDPOINT_NAMES if environment.get(name)), "")
    endpoint = _checked_endpoint(environment[name], name, environment) if name else None
    if endpoint is None and url.scheme == "obs":
        what = "an obs:// address needs the endpoint of its region"
        raise ConfigError(what, "OBS_ENDPOINT", "set it to https://obs.REGION.myhuaweicloud.com")
    region_name = next((name for name in _REGION_NAMES if environment.get(name)), "")
    region = environment.get(region_name, "")
    if region and not _REGION.fullmatch(region):
        raise ConfigError(f"{region!r} is no name of a region", region_name, "give one like cn-north-4, or unset it")
    if not region:
        found = _OBS_HOST.search(endpoint or "")
        region = found[1] if found else "us-east-1"
    style = environment.get("S3_ADDRESSING_STYLE", "auto")
    if style not in _STYLES:
        raise ConfigError(f"{style!r} is none of {', '.join(_STYLES)}", "S3_ADDRESSING_STYLE", "correct or unset it")
    verify = _switch(environment, "S3_VERIFY_SSL")
    if verify and not (endpoint or "").startswith("http://"):
        _check_certificates(environment)
    return S3Settings(endpoint, region, style, verify)


def _switch(environment: Mapping[str, str], name: str) -> bool:
    """Return a variable that is on unless it says otherwise."""
    text = environment.get(name) or "1"
    if text.lower() not in _SWITCHES:
        raise ConfigError(f"{text!r} is neither 1 nor 0", name, "write 1 or 0 (true, false, yes, no, on, off)")
    return _SWITCHES[text.lower()]


def _check_certificates(environment: Mapping[str, str]) -> None:
    """Raise ``ConfigError`` where the file of certificates is missing, which boto3 takes for a wrong certificate."""
    path = environment.get(_CERTIFICATES)
    if path and not os.path.exists(path):
        raise ConfigError(f"there is no file {path!r}", _CERTIFICATES, "name the file of certificates, or unset it")


def _checked_endpoint(text: str, name: str, environment: Mapping[str, str]) -> str:
    """Return an endpoint with its protocol; no message repeats one that holds a password."""
    if "://" not in text:
        text = f"{'https' if _switch(environment, 'S3_USE_HTTPS') else 'http'}://{text}"
    if "@" in text:
        raise ConfigError("it holds a name or a password", name, "give the server alone; keys have their own variables")
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise ConfigError(f"{text!r} is no address of a server", name, "write https://HOST or https://HOST:PORT")
    return text.rstrip("/")
