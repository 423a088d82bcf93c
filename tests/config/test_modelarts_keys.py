from __future__ import annotations

import pytest

from src.config.modelarts_keys import ModelArtsKeys, dry_run_line, modelarts_problems


def problems(**keys: str) -> list[str]:
    return [what for _, what, _ in modelarts_problems(ModelArtsKeys(enable_modelarts=True, **keys))]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"data_url": "s3://b-b/x", "train_url": "s3://b-b/x-out"}, []),
        ({"data_url": "s3://b-b/x", "train_url": "s3://c-c/x"}, []),
        ({"data_url": "/b-b/x", "train_url": "s3://b-b/x"}, []),
        ({"checkpoint_url": "s3://b-b/results/run", "train_url": "s3://b-b/results"}, []),
        (
            {"checkpoint_url": "s3://b-b/results", "train_url": "s3://b-b/results/"},
            ["train_url is also checkpoint_url"],
        ),
        ({"data_url": "/srv/x", "train_url": "/srv/x/../x"}, ["train_url is also data_url"]),
        ({"data_url": "data", "train_url": "data/out"}, ["train_url lies inside of data_url"]),
        ({"data_url": "s3://b-b", "train_url": "s3://b-b/out"}, ["train_url lies inside of data_url"]),
        ({"data_url": "s3://b-b/job/data", "train_url": "obs://b-b/job"}, ["data_url lies inside of train_url"]),
    ],
)
def test_results_do_not_lie_among_the_data(keys: dict[str, str], expected: list[str]) -> None:
    found = problems(**keys)
    assert len(found) == len(expected)
    assert all(what.startswith(start) for what, start in zip(found, expected, strict=True))


def test_the_end_of_a_dry_run_tells_what_it_has_written() -> None:
    nothing = "dry run: everything fits, nothing was written"
    assert dry_run_line(ModelArtsKeys()) == nothing
    assert dry_run_line(ModelArtsKeys(enable_modelarts=True, train_url="s3://b-b/x")) == nothing
    both = ModelArtsKeys(enable_modelarts=True, data_url="x", checkpoint_url="y", data_path="d", load_path="w")
    assert dry_run_line(both) == (
        "dry run: everything fits, nothing was sent or written but what was fetched to d and w"
    )
