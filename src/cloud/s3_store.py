"""Objects of S3, and of what speaks its language (OBS, MinIO, Ceph), through boto3.

Large files travel in parts, several at once; each part is checked and repeated by itself. Requests stay within what
the imitations of S3 know: listings of the first version, Content-MD5 instead of the newer checksums.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from src.cloud import s3_errors
from src.cloud.retry import Passing, with_retries
from src.cloud.s3_checks import DIGEST, checkable_tag, checksums, joined_tag, md5_base64, md5_of
from src.cloud.s3_settings import S3Settings
from src.cloud.store import Store, StoredFile, Tick
from src.common.errors import StorageError
from src.common.storage_url import StorageUrl

Result = TypeVar("Result")

PART_BYTES = 16 << 20
THREADS = 4
# S3 takes at most 10,000 parts of an object.
_MOST_PARTS = 9000
_CHUNK_BYTES = 1 << 20
_DAMAGED = "the network or the storage damages data"


class S3Store(Store):
    """The objects below one address.

    Args:
        url: The address.
        client: boto3's client of S3.
        settings: Where it sends its requests, for messages.
    """

    def __init__(self, url: StorageUrl, client: Any, settings: S3Settings) -> None:
        super().__init__(url)
        self._client = client
        self._settings = settings
        self._is_single = False

    def list_files(self, below: str = "") -> list[StoredFile]:
        """Return all objects but the empty ones that stand for folders."""
        base = f"{self.url.path}/" if self.url.path else ""
        start = f"{base}{below}/" if below else base
        found = self._call(lambda: self._listed(start, base), start)
        if not found and self.url.path and not below:
            # The address may be that of one object, a zip file for instance.
            near = self._call(lambda: self._listed(self.url.path, ""), self.url.path)
            found = [StoredFile(Path(f.name).name, f.size, f.mark) for f in near if f.name == self.url.path]
            self._is_single = bool(found)
        return sorted(found, key=lambda file: file.name)

    def _listed(self, prefix: str, base: str) -> list[StoredFile]:
        pages = self._client.get_paginator("list_objects").paginate(Bucket=self.url.bucket, Prefix=prefix)
        return [
            StoredFile(item["Key"][len(base) :], item["Size"], str(item.get("ETag", "")).strip('"'))
            for page in pages
            for item in page.get("Contents", [])
            if not item["Key"].endswith("/")
        ]

    def fetch(self, file: StoredFile, target: Path, tick: Tick) -> None:
        """Fetch an object in parts and compare its size and checksum."""
        key = self.url.path if self._is_single else self.url.child(file.name).path
        with_retries(lambda: self._fetch_whole(key, file, target, tick))

    def _fetch_whole(self, key: str, file: StoredFile, target: Path, tick: Tick) -> None:
        head = self._call(lambda: self._client.head_object(Bucket=self.url.bucket, Key=key), key)
        size, tag = int(head["ContentLength"]), head["ETag"]
        descriptor = os.open(target, os.O_RDWR | os.O_TRUNC)
        try:
            os.ftruncate(descriptor, size)
            starts = range(0, size, PART_BYTES)
            with ThreadPoolExecutor(THREADS) as threads:
                work = [
                    threads.submit(self._fetch_part, key, tag, descriptor, start, min(PART_BYTES, size - start), tick)
                    for start in starts
                ]
                _wait_for(work)
        finally:
            os.close(descriptor)
        found, expected = checksums(target, head)
        if found != expected or size != file.size:
            tick(-size)
            what = "the object changed meanwhile" if size != file.size else "the checksum of what arrived is wrong"
            raise Passing(StorageError(what, self._shown(key), _DAMAGED if size == file.size else "start again"))

    def _fetch_part(self, key: str, tag: str, descriptor: int, start: int, count: int, tick: Tick) -> None:
        """Write a part of an object to its place in the file; a repeated one begins anew."""
        request = {"Bucket": self.url.bucket, "Key": key, "Range": f"bytes={start}-{start + count - 1}", "IfMatch": tag}

        def attempt() -> None:
            done = 0
            try:
                body = self._client.get_object(**request)["Body"]
                while chunk := body.read(_CHUNK_BYTES):
                    os.pwrite(descriptor, chunk, start + done)
                    done += len(chunk)
                    tick(len(chunk))
                if done != count:
                    raise ConnectionError
            except Exception:
                tick(-done)
                raise

        self._call(attempt, key)

    def put(self, source: Path, name: str, digest: str, tick: Tick) -> None:
        """Store a file, a large one in parts; its sha256 goes with it."""
        key, size = self.url.child(name).path, source.stat().st_size
        part_bytes = max(PART_BYTES, -(-size // _MOST_PARTS))
        if size <= part_bytes:
            content = source.read_bytes()
            tag = self._put_content(key, content, {DIGEST: digest})
            self._check_tag(key, tag, md5_of(content).hex())
            tick(size)
        else:
            self._put_parts(source, key, digest, part_bytes, tick)
        head = self._call(lambda: self._client.head_object(Bucket=self.url.bucket, Key=key), key)
        if int(head["ContentLength"]) != size:
            raise StorageError("the stored object has another size than the file", self._shown(key), "try again")

    def _put_content(self, key: str, content: bytes, metadata: dict[str, str]) -> str:
        request = {"Bucket": self.url.bucket, "Key": key, "Body": content, "ContentMD5": md5_base64(content)}
        answer = self._call(lambda: self._client.put_object(**request, Metadata=metadata), key)
        return checkable_tag(answer)

    def _put_parts(self, source: Path, key: str, digest: str, part_bytes: int, tick: Tick) -> None:
        """Store a file in parts; one that fails leaves nothing there."""
        place = {"Bucket": self.url.bucket, "Key": key}
        begin = lambda: self._client.create_multipart_upload(**place, Metadata={DIGEST: digest})  # noqa: E731
        place["UploadId"] = self._call(begin, key)["UploadId"]
        try:
            with ThreadPoolExecutor(THREADS) as threads:
                work = [
                    threads.submit(self._put_part, source, start, part_bytes, {**place, "PartNumber": number}, tick)
                    for number, start in enumerate(range(0, source.stat().st_size, part_bytes), 1)
                ]
                parts = _wait_for(work)
            listed = [{"PartNumber": number, "ETag": tag} for number, (tag, _) in enumerate(parts, 1)]
            end = lambda: self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": listed})  # noqa: E731
            answer = self._call(end, key)
        except BaseException:
            with contextlib.suppress(StorageError):
                self._call(lambda: self._client.abort_multipart_upload(**place), key)
            raise
        self._check_tag(key, checkable_tag(answer), joined_tag([md5 for _, md5 in parts]))

    def _put_part(self, source: Path, start: int, count: int, place: dict[str, Any], tick: Tick) -> tuple[str, bytes]:
        with source.open("rb") as stream:
            stream.seek(start)
            content = stream.read(count)
        request = {**place, "Body": content, "ContentMD5": md5_base64(content)}
        answer = self._call(lambda: self._client.upload_part(**request), place["Key"])
        tick(len(content))
        return answer["ETag"], md5_of(content)

    def read(self, name: str) -> bytes | None:
        """Return the content of a small object, ``None`` where there is none."""
        key = self.url.child(name).path

        def attempt() -> bytes | None:
            try:
                content: bytes = self._client.get_object(Bucket=self.url.bucket, Key=key)["Body"].read()
            except Exception as error:
                if s3_errors.is_missing(error):
                    return None
                raise
            return content

        return self._call(attempt, key)

    def write(self, name: str, content: bytes) -> None:
        """Store a small object."""
        self._put_content(self.url.child(name).path, content, {})

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects."""
        for key in (self.url.child(name).path for name in names):
            self._call(functools.partial(self._client.delete_object, Bucket=self.url.bucket, Key=key), key)

    def _check_tag(self, key: str, tag: str, expected: str) -> None:
        """Compare the server's checksum of what it stored with ours, where it gives one that can be compared."""
        if tag and tag != expected:
            raise StorageError("the stored object has another checksum than the file", self._shown(key), _DAMAGED)

    def _call(self, action: Callable[[], Result], key: str) -> Result:
        """Make a request, again where its failure may pass."""

        def attempt() -> Result:
            try:
                return action()
            except (Passing, StorageError):
                raise
            except Exception as error:
                translated = s3_errors.translate(error, self._shown(key), self._settings.shown)
                if translated is error:
                    raise
                # Without its cause, which holds what was sent.
                raise translated from None

        return with_retries(attempt)

    def _shown(self, key: str) -> str:
        return f"{self.url.scheme}://{self.url.bucket}/{key}".rstrip("/")


def _wait_for(work: Sequence[Any]) -> list[Any]:
    """Return the results; after a failure nothing more is begun."""
    try:
        return [item.result() for item in work]
    except BaseException:
        for item in work:
            item.cancel()
        raise
