"""Make boto3's client from what the environment says."""

from __future__ import annotations

import os

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from src.cloud.s3_errors import refused_settings
from src.cloud.s3_settings import read_settings
from src.cloud.s3_store import THREADS, S3Store
from src.cloud.secrets import find_keys
from src.common.storage_url import StorageUrl

_CONNECT_S, _READ_S = 10, 60


def open_s3(url: StorageUrl) -> S3Store:
    """Return the objects below an address, with server and keys from the environment.

    Raises:
        ConfigError: A variable of the environment is wrong.
        StorageError: boto3 does not take what it finds in the environment or in its own files.
    """
    settings, keys = read_settings(os.environ, url), find_keys(os.environ)
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        # Our own retries cover the content too, and say what they do.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=4 * THREADS,
        s3={"addressing_style": settings.style},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        client = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=None if settings.verify else False,
            config=config,
            **keys,
        )
    except (BotoCoreError, ValueError) as error:
        # Without its cause, which may hold keys.
        raise refused_settings(error, str(url), settings.shown) from None
    return S3Store(url, client, settings)
