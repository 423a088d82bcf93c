from __future__ import annotations

import pytest

from src.cloud.secrets import find_keys, without_secrets
from src.common.environment import mask_secrets

ENVIRONMENT = {
    "OBS_ACCESS_KEY_ID": "OBSACCESS",
    "OBS_SECRET_ACCESS_KEY": "obs/secret+1",
    "OBS_SECURITY_TOKEN": "token==",
    "AWS_ACCESS_KEY_ID": "ALONE",
}


def test_the_first_complete_set_of_keys_counts() -> None:
    expected = {
        "aws_access_key_id": "OBSACCESS",
        "aws_secret_access_key": "obs/secret+1",
        "aws_session_token": "token==",
    }
    assert find_keys(ENVIRONMENT) == expected
    complete = {**ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": "other"}
    assert find_keys(complete) == {"aws_access_key_id": "ALONE", "aws_secret_access_key": "other"}
    assert find_keys({}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key OBSACCESS and obs/secret+1", "key *** and ***"),
        ("token== for ALONE", "*** for ***"),
        ("http://me:word@host/x", "http://***@host/x"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_keys_are_masked_in_texts_of_others(text: str, expected: str) -> None:
    assert without_secrets(text, ENVIRONMENT) == expected


def test_short_values_do_not_spoil_messages() -> None:
    assert without_secrets("a bucket", {"AWS_ACCESS_KEY_ID": "a"}) == "a bucket"


def test_the_command_of_a_run_is_masked() -> None:
    assert mask_secrets(["--data_url", "s3://KEY:SECRET@bucket/x"]) == ["--data_url", "s3://***@bucket/x"]
