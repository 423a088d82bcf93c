from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from src.common.errors import ConfigError, OutputError
from src.common.log import close_logging, setup_logging
from src.common.run_directory import RunDirectory, is_run_directory, read_config, run_of_folder
from src.common.run_lock import LOCK_NAME

ENVIRONMENT = {"device": "CPU"}


def create(path: Path, config: str = "seed: 1\n", **flags: bool) -> RunDirectory:
    return RunDirectory.create(path, config_text=config, environment=ENVIRONMENT, **flags)


def finished_run(path: Path) -> None:
    with create(path) as run:
        run.metrics_file.write_text("{}\n")
        run.log_file.write_text("log\n")
        run.loss_plot.write_text("png")
        (run.checkpoints / "classifier-1_10.ckpt").write_text("weights")
        (run.checkpoints / "classifier-1_10.state.ckpt").write_text("state")
        (run.checkpoints / "classifier-1_10-2.ckpt").write_text("weights")
        (run.checkpoints / "classifier-best.ckpt").write_text("weights")
        (run.checkpoints / "manifest.json").write_text("{}")
        run.assets.mkdir()
        for name in ("task.json", "30k-clean.model", "vocab.txt"):
            (run.assets / name).write_text("")
        (run.checkpoints / ".classifier-1_20.ckpt.abc123.tmp").write_text("half")
        (run.eval / "dev-10.json").write_text("{}")
        (run.tensorboard / "events.out.tfevents.1.host.2.0").write_text("events")
        run.predictions.mkdir()
        for name in ("predictions.tsv", "predictions.jsonl", "predictions.conll", "MNLI-mm.tsv"):
            (run.predictions / name).write_text("")


def files_below(path: Path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*") if not p.is_dir()}


@pytest.mark.parametrize("prepare", [lambda p: None, lambda p: p.mkdir(parents=True)], ids=["missing", "empty"])
def test_a_new_run_explains_itself(tmp_path: Path, prepare: Callable[[Path], None]) -> None:
    path = tmp_path / "a" / "run"
    prepare(path)
    with create(path) as run:
        assert (path / LOCK_NAME).exists()
        assert not run.resumed
        assert run.previous_config is None
        assert run.config_file.read_text() == "seed: 1\n"
        assert json.loads(run.environment_file.read_text()) == {"run_format": 1, "device": "CPU"}
        assert all(folder.is_dir() for folder in (run.checkpoints, run.eval, run.tensorboard))
    assert not (path / LOCK_NAME).exists()


def test_a_directory_that_is_not_empty_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"not empty -> .*--resume true or --overwrite true"):
        create(tmp_path)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_what_a_start_that_was_killed_at_once_leaves_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".environment.json.x1y2.tmp").write_text("{")
    (tmp_path / LOCK_NAME).write_text("")
    create(tmp_path).close()
    assert is_run_directory(tmp_path)


def test_overwrite_removes_the_files_of_a_run_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run"
    finished_run(path)
    mine = {
        "notes.txt", "my_config.yaml", "config.yaml.bak", "checkpoints/README.md", "checkpoints/mine.ckpt",
        "predictions/mine.tsv", "predictions/mine/predictions.json.bak", "assets/notes.txt",
        "other/config.yaml", "other/classifier-best.ckpt",
    }  # fmt: skip
    for name in mine:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("mine")
    (path / "predictions" / "dev-v2.0").mkdir()
    for name in ("predictions", "nbest_predictions", "null_odds", "metrics", "errors"):
        (path / "predictions" / "dev-v2.0" / f"{name}.json").write_text("{}")
    create(path, "seed: 2\n", overwrite=True).close()
    assert files_below(path) == mine | {"config.yaml", "environment.json"}
    assert (path / "config.yaml").read_text() == "seed: 2\n"


def test_overwrite_of_a_missing_or_empty_directory_is_a_first_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty"):
        create(tmp_path / name, overwrite=True).close()
        assert is_run_directory(tmp_path / name)


@pytest.mark.parametrize("name", ["config.yaml", "train.log", "runs/run/environment.json", "checkpoints/a.ckpt"])
def test_overwrite_refuses_what_is_not_a_run_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text('{"run_format": 1}')
    with pytest.raises(OutputError, match="not a run directory, so nothing in it is removed"):
        create(tmp_path, overwrite=True)
    assert files_below(tmp_path) == {name}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"device": "CPU"}'])
def test_somebody_elses_environment_json_is_no_mark(tmp_path: Path, content: str) -> None:
    (tmp_path / "environment.json").write_text(content)
    assert not is_run_directory(tmp_path)


def test_overwrite_does_not_follow_a_link_to_a_file(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    precious = tmp_path / "precious.ckpt"
    precious.write_text("weights")
    (tmp_path / "run" / "checkpoints" / "squad-best.ckpt").symlink_to(precious)
    create(tmp_path / "run", overwrite=True).close()
    assert precious.read_text() == "weights"
    assert not (tmp_path / "run" / "checkpoints" / "squad-best.ckpt").is_symlink()


def test_resume_keeps_everything_and_the_older_descriptions(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    before = files_below(tmp_path / "run")
    with create(tmp_path / "run", "seed: 2\n", resume=True) as run:
        assert run.resumed
        assert run.previous_config == {"seed": 1}
    create(tmp_path / "run", "seed: 2\n", resume=True).close()
    added = {"config.1.yaml", "environment.1.json", "environment.2.json"}
    assert files_below(tmp_path / "run") == before | added
    assert (tmp_path / "run" / "config.yaml").read_text() == "seed: 2\n"
    assert (tmp_path / "run" / "config.1.yaml").read_text() == "seed: 1\n"
    create(tmp_path / "run", overwrite=True).close()
    assert files_below(tmp_path / "run") == {"config.yaml", "environment.json"}


@pytest.mark.parametrize("prepare", ["missing", "empty", "other"])
def test_resume_without_a_run_is_refused_and_makes_nothing(tmp_path: Path, prepare: str) -> None:
    path = tmp_path / "run"
    if prepare != "missing":
        path.mkdir()
    if prepare == "other":
        (path / "config.yaml").write_text("seed: 1\n")
    words = "not a run directory" if prepare == "other" else "no run to resume"
    with pytest.raises(OutputError, match=words):
        create(path, resume=True)
    assert path.exists() == (prepare != "missing")


@pytest.mark.parametrize("text", ["seed: [", "just text", "\xff"])
def test_a_damaged_stored_configuration_is_named(tmp_path: Path, text: str) -> None:
    finished_run(tmp_path / "run")
    (tmp_path / "run" / "config.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        create(tmp_path / "run", resume=True)
    assert not (tmp_path / "run" / LOCK_NAME).exists()


def test_a_run_killed_before_its_configuration_was_written_can_be_resumed(tmp_path: Path) -> None:
    finished_run(tmp_path / "run")
    (tmp_path / "run" / "config.yaml").unlink()
    with create(tmp_path / "run", resume=True) as run:
        assert run.previous_config == {}
    assert read_config(tmp_path / "run" / "config.yaml") == {"seed": 1}


def test_both_flags_and_a_file_in_the_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        create(tmp_path / "run", resume=True, overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="a file stands"):
        create(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("flags", [{"resume": True}, {"overwrite": True}])
def test_a_run_in_use_is_left_alone(tmp_path: Path, flags: dict[str, bool]) -> None:
    with create(tmp_path / "run") as run:
        run.metrics_file.write_text("{}\n")
        with pytest.raises(OutputError, match="is using this directory"):
            create(tmp_path / "run", **flags)
        assert run.metrics_file.exists()
        assert (tmp_path / "run" / LOCK_NAME).exists()
    create(tmp_path / "run", **flags).close()


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    with create(tmp_path / "run"):
        reader = RunDirectory.open(tmp_path / "run")
        assert reader.previous_config == {"seed": 1}
        reader.close()
        assert (tmp_path / "run" / LOCK_NAME).exists()
    with pytest.raises(OutputError, match="not a run directory"):
        RunDirectory.open(tmp_path)


def test_why_a_run_failed_is_in_its_log(tmp_path: Path) -> None:
    root, project = logging.getLogger(), logging.getLogger("src")
    levels = root.level, project.level

    def fail() -> None:
        with create(tmp_path / "run") as run:
            setup_logging(run.log_file)
            raise ZeroDivisionError("by zero")

    try:
        with pytest.raises(ZeroDivisionError):
            fail()
    finally:
        close_logging()
        logging.captureWarnings(False)
        root.setLevel(levels[0])
        project.setLevel(levels[1])
    assert "ERROR the run ended: ZeroDivisionError: by zero" in (tmp_path / "run" / "train.log").read_text()
    assert not (tmp_path / "run" / LOCK_NAME).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        create(tmp_path / "run")


def test_a_claim_that_does_not_begin_leaves_nothing(tmp_path: Path) -> None:
    with RunDirectory.claim(tmp_path / "new"):
        assert files_below(tmp_path) == {f"new/{LOCK_NAME}"}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with RunDirectory.claim(tmp_path / "empty"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_an_earlier_run_is_there_until_the_new_one_begins(tmp_path: Path) -> None:
    finished_run(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)}
    with RunDirectory.claim(tmp_path, overwrite=True):
        assert files_below(tmp_path) == {*before, LOCK_NAME}
    assert {name: (tmp_path / name).read_bytes() for name in files_below(tmp_path)} == before
    with RunDirectory.claim(tmp_path, overwrite=True) as run:
        run.begin("seed: 2\n", {"device": "CPU"})
        assert read_config(run.config_file) == {"seed": 2}
    assert files_below(tmp_path) < {*before}


def test_the_run_of_a_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "assets").mkdir(parents=True)
    assert run_of_folder(run / "assets") is None
    (run / "environment.json").write_text('{"run_format": 1}', encoding="utf-8")
    assert [run_of_folder(run / name) for name in ("assets", "data_dump/rank_0")] == [run, run]
    assert [run_of_folder(run / name) for name in ("", "exported")] == [None, None]
