"""Checksums of the S3 interface: what goes along with a request, and what an ETag says of a content."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

DIGEST = "sha256"
"""Name under which an object's sha256 is kept with it."""

_CHUNK_BYTES = 1 << 20
_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}(-\d+)?")


def md5_of(content: bytes) -> bytes:
    """Return the MD5, which the interface asks for; it guards against accidents, not against people."""
    return hashlib.md5(content, usedforsecurity=False).digest()


def joined_tag(digests: list[bytes]) -> str:
    """Return the ETag of an object that was stored in parts with these MD5s."""
    return f"{md5_of(b''.join(digests)).hex()}-{len(digests)}"


def md5_base64(content: bytes) -> str:
    """Return the value of Content-MD5, with which the server checks what arrives."""
    return base64.b64encode(md5_of(content)).decode()


def checkable_tag(answer: dict[str, Any]) -> str:
    """Return the ETag where it is the MD5 of the content: encrypted objects have others."""
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in answer
    tag = str(answer.get("ETag", "")).strip('"')
    return tag if _PLAIN_MD5.fullmatch(tag) and not encrypted else ""


def checksums(path: Path, head: dict[str, Any]) -> tuple[str, str]:
    """Return the checksum of a fetched file and what it should be; two empty texts where the storage tells none."""
    expected, method = str(head.get("Metadata", {}).get(DIGEST, "")), "sha256"
    if not expected:
        expected, method = checkable_tag(head), "md5"
    if not expected or "-" in expected:
        return "", ""
    digest = hashlib.new(method, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest(), expected
