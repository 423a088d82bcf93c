"""Failures of the S3 interface in words that say what to do, and which of them may pass."""

from __future__ import annotations

from botocore import exceptions

from src.cloud.retry import Passing
from src.cloud.secrets import without_secrets
from src.common.errors import AlbertError, StorageError

_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or OBS_ACCESS_KEY_ID and OBS_SECRET_ACCESS_KEY)"
_ENDPOINT = "check the endpoint (AWS_ENDPOINT_URL, S3_ENDPOINT or OBS_ENDPOINT) and the network"
_SETTINGS = "check the variables whose names begin with AWS_, S3_ or OBS_, and the files in ~/.aws"
# Codes of the answer: what is wrong, and what to do.
_CODES: dict[str, tuple[str, str]] = {
    "NoSuchBucket": ("there is no such bucket", "check its name, and that the endpoint is that of its region"),
    "NoSuchKey": ("there is no such object", "check the path"),
    "PreconditionFailed": ("the object changed while it was fetched", "start again when its upload is complete"),
    "AccessDenied": ("permission is denied", "let this account read and write there, and check the bucket's policy"),
    "InvalidAccessKeyId": ("the access key is not known there", _KEYS),
    "SignatureDoesNotMatch": ("the secret key does not fit the access key", _KEYS),
    "ExpiredToken": ("the temporary keys have expired", "get new ones; a job needs them to its end"),
    "InvalidToken": ("the session token is not valid", "get new temporary keys, or unset the token"),
    "RequestTimeTooSkewed": ("the clock of this machine is wrong", "set it right"),
    "PermanentRedirect": ("the bucket lies in another region", "use the endpoint and the region of the bucket"),
    "AuthorizationHeaderMalformed": ("the bucket lies in another region", "set AWS_REGION or OBS_REGION to it"),
    "InvalidBucketName": ("the server refuses the bucket's name", "check its name"),
    "QuotaExceeded": ("the storage is full", "free some space there"),
    "InsufficientStorageSpace": ("the storage is full", "free some space there"),
}
# A request without a body has no code in its answer but the status.
_STATUS = {"412": "PreconditionFailed", "403": "AccessDenied", "401": "AccessDenied", "301": "PermanentRedirect"}
_PASSING_CODES = {"RequestTimeout", "SlowDown", "BadDigest", "InternalError", "ServiceUnavailable", "Throttling"}
# What OpenSSL says of an answer in plain text, by its version.
_NO_HTTPS = ("wrong_version_number", "wrong version number", "record layer failure", "record_layer_failure")
_MISSING = {"404", "NoSuchKey", "NotFound"}


def is_missing(error: Exception) -> bool:
    """Tell whether an answer says that there is no such object."""
    return isinstance(error, exceptions.ClientError) and _code(error) in _MISSING


def translate(error: Exception, where: str, server: str) -> Exception:
    """Return what to raise in the place of an error of boto3.

    Args:
        error: What boto3 raised.
        where: The address of the bucket or the object.
        server: The server's name, for messages.

    Returns:
        ``StorageError``, wrapped as ``Passing`` where another attempt may help.
    """
    if isinstance(error, exceptions.ClientError):
        return _answered(error, where, server)
    if isinstance(error, exceptions.NoCredentialsError):
        return StorageError("no access keys are set", where, _KEYS)
    if isinstance(error, exceptions.PartialCredentialsError):
        missing = error.kwargs["cred_var"]
        return StorageError(f"no access keys are set: of the pair {missing} is missing", where, _KEYS)
    if isinstance(error, exceptions.SSLError):
        return _unsafe(error, where, server)
    if isinstance(error, (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)):
        return Passing(StorageError(f"{server} does not answer in time", where, _ENDPOINT))
    if isinstance(error, exceptions.EndpointConnectionError):
        return Passing(StorageError(f"no connection to {server}", where, _ENDPOINT))
    if isinstance(error, (exceptions.HTTPClientError, exceptions.IncompleteReadError, ConnectionError, TimeoutError)):
        return Passing(StorageError(f"the connection to {server} broke off", where, _ENDPOINT))
    if isinstance(error, exceptions.BotoCoreError):
        return StorageError(f"the request cannot be made: {_first_line(error)}", where, _SETTINGS)
    # What urllib3 raises while the content streams in is hidden from botocore.
    if type(error).__module__.startswith("urllib3."):
        return Passing(StorageError(f"the connection to {server} broke off", where, _ENDPOINT))
    return error


def refused_settings(error: Exception, where: str, server: str) -> AlbertError:
    """Return what to raise where boto3 does not take its settings, for which it has errors of every kind."""
    told = translate(error, where, server)
    if isinstance(told, Passing):
        return told.error
    if isinstance(told, AlbertError):
        return told
    return StorageError(f"boto3 refuses its settings: {_first_line(error)}", where, _SETTINGS)


def _unsafe(error: Exception, where: str, server: str) -> StorageError:
    """Return the error for https that does not come about."""
    text = str(error).lower()
    if any(sign in text for sign in _NO_HTTPS):
        fix = "write http:// in the endpoint, or set S3_USE_HTTPS=0 where it names no protocol"
        return StorageError(f"{server} does not speak https", where, fix)
    if "certificate" in text:
        fix = f"{_ENDPOINT}; AWS_CA_BUNDLE names a file of certificates to trust"
        return StorageError(f"the certificate of {server} is not trusted", where, fix)
    return StorageError(f"no secure connection to {server}: {_first_line(error)}", where, _ENDPOINT)


def _answered(error: exceptions.ClientError, where: str, server: str) -> Exception:
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    known = _CODES.get(_STATUS.get(code, code))
    if known:
        return StorageError(known[0], where, known[1])
    if status >= 500 or status == 429 or code in _PASSING_CODES:
        return Passing(StorageError(f"{server} answers {status} {code}", where, "try again later"))
    if code == "404":
        return StorageError("there is no such bucket or object", where, "check the address and the endpoint")
    return StorageError(f"{server} refuses: {status} {code}", where, "check the address, the keys and the endpoint")


def _code(error: exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _first_line(error: Exception) -> str:
    return without_secrets((str(error).splitlines() or [type(error).__name__])[0])
