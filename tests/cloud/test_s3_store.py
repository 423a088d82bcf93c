from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cloud import s3_store
from src.cloud.s3_client import open_s3
from src.cloud.s3_store import S3Store
from src.cloud.store import StoredFile
from src.common.errors import AlbertError, StorageError
from src.common.storage_url import parse_storage_url
from tests.cloud.s3_server import ACCESS, BUCKET, SECRET, Fault, FaultyProxy, client, free_port

CONTENT = bytes(range(256)) * 1200
PART = 100_000


def store_of(path: str = "", bucket: str = BUCKET) -> S3Store:
    return open_s3(parse_storage_url(f"s3://{bucket}/{path}", "data_url"))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetched(store: S3Store, file: StoredFile, target: Path) -> bytes:
    target.touch()
    store.fetch(file, target, lambda count: None)
    return target.read_bytes()


@pytest.fixture
def folder() -> str:
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "PART_BYTES", PART)


@pytest.fixture
def proxy(reachable: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    made = FaultyProxy(reachable)
    with made.run() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield made


@pytest.fixture
def stored(reachable: str, folder: str) -> str:
    """Return a folder with one object of several parts."""
    client(reachable).put_object(Bucket=BUCKET, Key=f"{folder}/a/file.bin", Body=CONTENT)
    return folder


def test_files_come_back_as_they_were_stored(reachable: str, folder: str, tmp_path: Path, small_parts: None) -> None:
    store = store_of(folder)
    contents = {"empty": b"", "sub/small.txt": b"text", "sub/\u00e9 +&.bin": b"1" * PART}
    for name, content in contents.items():
        source = tmp_path / "source"
        source.write_bytes(content)
        store.put(source, name, digest(content), lambda count: None)
    files = store.list_files()
    assert [file.name for file in files] == sorted(contents)
    for file in files:
        assert fetched(store, file, tmp_path / "target") == contents[file.name]
    assert [file.name for file in store.list_files("sub")] == sorted(name for name in contents if "/" in name)
    store.remove(["empty", "never there"])
    assert "empty" not in [file.name for file in store.list_files()]
    store.write("index", b"{}")
    assert (store.read("index"), store.read("no index")) == (b"{}", None)


def test_a_large_file_goes_in_parts(
    reachable: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3 takes no parts below 5 MiB but the last.
    monkeypatch.setattr(s3_store, "PART_BYTES", 5 << 20)
    content = CONTENT * 40
    source = tmp_path / "source"
    source.write_bytes(content)
    told: list[int] = []
    store_of(folder).put(source, "large.bin", digest(content), told.append)
    head = client(reachable).head_object(Bucket=BUCKET, Key=f"{folder}/large.bin")
    assert head["ETag"].endswith('-3"')
    assert head["Metadata"] == {"sha256": digest(content)}
    assert sum(told) == len(content)
    (file,) = store_of(folder).list_files()
    assert fetched(store_of(folder), file, tmp_path / "target") == content


def test_the_address_of_one_object(stored: str, tmp_path: Path) -> None:
    store = store_of(f"{stored}/a/file.bin")
    (file,) = store.list_files()
    assert file.name == "file.bin"
    assert fetched(store, file, tmp_path / "target") == CONTENT


@pytest.mark.parametrize("kind", ["cut", "drop", "answer"])
def test_a_transfer_that_breaks_off_is_taken_up_again(
    proxy: FaultyProxy, stored: str, tmp_path: Path, small_parts: None, kind: str
) -> None:
    broken: set[str] = set()

    def plan(method: str, path: str, count: int) -> Fault | None:
        if method == "GET" and "file.bin" in path and len(broken) < 3 and (key := f"{count}") not in broken:
            broken.add(key)
            return Fault(kind)
        return None

    proxy.plan = plan
    store = store_of(stored)
    (file,) = store.list_files()
    told: list[int] = []
    target = tmp_path / "target"
    target.touch()
    store.fetch(file, target, told.append)
    assert target.read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert len(broken) == 3
    # 4 parts and the 3 that were repeated: what had arrived was not fetched again.
    assert proxy.count("GET", "file.bin") == 7


def test_a_damaged_transfer_is_repeated(proxy: FaultyProxy, stored: str, tmp_path: Path) -> None:
    proxy.plan = lambda method, path, count: (
        Fault("damage") if "file.bin" in path and method == "GET" and not count else None
    )
    store = store_of(stored)
    (file,) = store.list_files()
    assert fetched(store, file, tmp_path / "target") == CONTENT
    assert proxy.count("GET", "file.bin") == 2


def test_damage_that_does_not_end_is_an_error(proxy: FaultyProxy, stored: str, tmp_path: Path) -> None:
    proxy.plan = lambda method, path, count: Fault("damage") if "file.bin" in path and method == "GET" else None
    store = store_of(stored)
    (file,) = store.list_files()
    with pytest.raises(StorageError, match="the checksum of what arrived is wrong"):
        fetched(store, file, tmp_path / "target")


def test_an_upload_that_breaks_off_is_repeated_and_leaves_no_parts(
    proxy: FaultyProxy, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: str
) -> None:
    monkeypatch.setattr(s3_store, "PART_BYTES", 5 << 20)
    source = tmp_path / "source"
    source.write_bytes(CONTENT * 40)
    proxy.plan = lambda method, path, count: Fault("drop") if method == "PUT" and count < 1 else None
    store_of(folder).put(source, "large.bin", digest(source.read_bytes()), lambda count: None)
    assert client(reachable).get_object(Bucket=BUCKET, Key=f"{folder}/large.bin")["Body"].read() == source.read_bytes()
    proxy.plan = lambda method, path, count: Fault("drop") if method == "PUT" and "partNumber=2" in path else None
    with pytest.raises(StorageError, match=r"^s3://.*other\.bin: the connection to .* broke off -> check the endpoint"):
        store_of(folder).put(source, "other.bin", digest(source.read_bytes()), lambda count: None)
    names = [item["Key"] for item in client(reachable).list_objects(Bucket=BUCKET, Prefix=folder)["Contents"]]
    assert names == [f"{folder}/large.bin"]
    uploads = client(reachable).list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    assert [item for item in uploads if item["Key"].startswith(folder)] == []


REFUSALS = {
    "AccessDenied": (403, "permission is denied -> let this account read and write there"),
    "InvalidAccessKeyId": (403, "the access key is not known there -> set AWS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (403, "the secret key does not fit the access key"),
    "ExpiredToken": (400, "the temporary keys have expired"),
    "PermanentRedirect": (301, "the bucket lies in another region"),
    "SomethingNew": (400, "refuses: 400 SomethingNew"),
    "InternalError": (500, "answers 500 InternalError"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refusals_are_one_line_without_keys(proxy: FaultyProxy, code: str) -> None:
    status, expected = REFUSALS[code]
    # boto3 asks with HEAD where the bucket lies when it is told that it lies elsewhere.
    proxy.plan = lambda method, path, count: Fault("answer", status, code) if method == "GET" else None
    with pytest.raises(StorageError) as caught:
        store_of("data").list_files()
    text = str(caught.value)
    assert expected in text
    assert text.startswith(f"s3://{BUCKET}/data: ")
    assert "\n" not in text
    assert ACCESS not in text
    assert SECRET not in text
    assert caught.value.__suppress_context__
    # boto3 looks up once where a bucket lies that is not here.
    assert proxy.count("GET") == {500: 5, 301: 2}.get(status, 1)


def test_a_bucket_that_is_not_there(reachable: str) -> None:
    with pytest.raises(StorageError, match=r"^s3://no-such-bucket/x: there is no such bucket -> check its name"):
        store_of("x", "no-such-bucket").list_files()


def test_an_object_that_is_gone(reachable: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no such bucket or object"):
        fetched(store_of("x"), StoredFile("gone", 3, ""), tmp_path / "target")


def test_nobody_listens(reachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match=r"no connection to http://127.0.0.1:\d+ -> check the endpoint"):
        store_of("x").list_files()


def test_no_keys(reachable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no access keys are set -> set AWS_ACCESS_KEY_ID"):
        store_of("x").list_files()


def test_a_server_without_https(reachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", reachable.replace("http://", "https://"))
    with pytest.raises(StorageError, match=r"https://\S+ does not speak https -> write http:// in the endpoint"):
        store_of("x").list_files()


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "obs://bucket/x", "an obs:// address needs the endpoint of its region"),
        ({"OBS_ENDPOINT": "https://me:word@host"}, "obs://bucket/x", "it holds a name or a password"),
        ({"S3_ENDPOINT": "https://"}, "s3://bucket/x", "is no address of a server"),
        ({"S3_ENDPOINT": "host", "S3_USE_HTTPS": "maybe"}, "s3://b-b/x", "S3_USE_HTTPS: 'maybe' is neither 1 nor 0"),
        ({"S3_VERIFY_SSL": "2"}, "s3://bucket/x", "S3_VERIFY_SSL: '2' is neither 1 nor 0 -> write 1 or 0"),
        ({"AWS_REGION": "not a region"}, "s3://bucket/x", "AWS_REGION: 'not a region' is no name of a region"),
        ({"AWS_CA_BUNDLE": "/no/file.pem"}, "s3://bucket/x", "AWS_CA_BUNDLE: there is no file '/no/file.pem'"),
        ({"S3_ENDPOINT": "https://a host"}, "s3://bucket/x", "s3://bucket/x: boto3 refuses its settings: Invalid end"),
        ({"AWS_PROFILE": "nobody"}, "s3://bucket/x", "(nobody) could not be found -> check the variables"),
        ({"AWS_SECRET_ACCESS_KEY": "sec\nword"}, "s3://bucket/x", "AWS_SECRET_ACCESS_KEY: the key holds a line break"),
        (
            {"AWS_SECRET_ACCESS_KEY": ""},
            "s3://bucket/x",
            "no access keys are set: of the pair AWS_SECRET_ACCESS_KEY is",
        ),
        ({"S3_ADDRESSING_STYLE": "new"}, "s3://bucket/x", "'new' is none of auto, path, virtual"),
    ],
)
def test_wrong_settings(
    variables: dict[str, str], url: str, expected: str, reachable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AlbertError, match=re.escape(expected)) as caught:
        open_s3(parse_storage_url(url, "data_url"))
    assert "word" not in str(caught.value).replace("password", "")


def test_the_names_of_modelarts_and_obs_are_understood(reachable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("S3_ENDPOINT", reachable.removeprefix("http://"))
    monkeypatch.setenv("S3_USE_HTTPS", "0")
    monkeypatch.setenv("OBS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("OBS_SECRET_ACCESS_KEY", SECRET)
    assert open_s3(parse_storage_url(f"obs://{BUCKET}/nothing", "data_url")).list_files() == []
