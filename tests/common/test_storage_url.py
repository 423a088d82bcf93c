from __future__ import annotations

import pytest

from src.common.errors import ConfigError
from src.common.storage_url import StorageUrl, parse_storage_url


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("s3://bucket/a/b", StorageUrl("s3", "bucket", "a/b"), "s3://bucket/a/b"),
        ("S3://bucket//a/b//", StorageUrl("s3", "bucket", "a/b"), "s3://bucket/a/b"),
        ("obs://my.bucket-1", StorageUrl("obs", "my.bucket-1", ""), "obs://my.bucket-1"),
        ("s3://bucket/who@where", StorageUrl("s3", "bucket", "who@where"), "s3://bucket/who@where"),
        ("file:///a%20b", StorageUrl("file", "", "/a b"), "/a b"),
        ("data/sub", StorageUrl("file", "", "data/sub"), "data/sub"),
        ("/inputs/data_url_0", StorageUrl("file", "", "/inputs/data_url_0"), "/inputs/data_url_0"),
    ],
)
def test_addresses(text: str, url: StorageUrl, shown: str) -> None:
    found = parse_storage_url(text, "data_url")
    assert (found, str(found)) == (url, shown)
    assert found.is_folder == (found.scheme == "file")


def test_a_child() -> None:
    assert str(parse_storage_url("s3://bucket", "k").child("a/b")) == "s3://bucket/a/b"
    assert str(parse_storage_url("/folder/", "k").child("a")) == "/folder/a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://AKIA:SECRET@bucket/x", "access keys in an address end up in logs"),
        ("s3://AKIA:SEC/RET@bucket/x", "access keys in an address end up in logs"),
        ("s3://SECRET@bucket", "access keys in an address end up in logs"),
        ("https://host/x?X-Amz-Signature=SECRET", "https:// is no storage that is known here"),
        ("hdfs://host/SECRET", "hdfs:// is no storage"),
        ("s3://bucket/x?X-Amz-Signature=SECRET", "holds '?', '#' or a control character"),
        ("s3://bucket/../SECRET", "the path holds '.' or '..'"),
        ("s3:///x", "'' is no name of a bucket"),
        ("file://host/SECRET", "needs an absolute path of this machine"),
        ("", "names no folder"),
    ],
)
def test_addresses_that_are_refused_without_being_repeated(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_storage_url(text, "data_url")
    assert str(caught.value).startswith("data_url: ")
    assert expected in str(caught.value)
    assert "SECRET" not in str(caught.value).replace("AWS_SECRET_ACCESS_KEY", "")
