"""What run_pretrain.py and pretrain_eval.py must refuse: each with one line, and nothing is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.data.pretraining.table import PretrainTable
from tests.data.pretrain_samples import pretrain_records, write_pretrain_folder, write_tfrecord
from tests.entry.bad_input.support import Fails, check_error, cut, flip, snapshot, write
from tests.entry.pretraining_support import NETWORK, TRAINING, PretrainData, create_records
from tests.entry.runs import LENGTH, ROOT, VOCABULARY, Outcome, arguments

Damage = Callable[[Path], Any]
SLOTS = 3


def training(data: Path, run: Path, *extra: Any) -> list[Any]:
    """Return the options of a short training."""
    return [*arguments(NETWORK, TRAINING, {"data_dir": data, "run_dir": run, "train_steps": 2}), *extra]


def shard(folder: Path) -> Path:
    return sorted(folder.glob("*.tfrecord"))[0]


def without_manifest(damage: Damage) -> Damage:
    def change(folder: Path) -> None:
        next(folder.glob("*.manifest.json")).unlink()
        damage(folder)

    return change


def halve(folder: Path) -> None:
    cut(shard(folder), shard(folder).stat().st_size // 2 - 7)


def spoil(folder: Path) -> None:
    flip(shard(folder), shard(folder).stat().st_size // 2 - 7)


def add_wider_shard(folder: Path) -> None:
    write_tfrecord(folder / "wider.tfrecord", pretrain_records(3, LENGTH - 4, SLOTS, len(VOCABULARY)))


def edit_schema(**columns: Any) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "schema.json"
        content = json.loads(path.read_text())
        for name, keys in columns.items():
            content["columns"][name] |= keys
        path.write_text(json.dumps(content))

    return change


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


FOLDERS: dict[str, tuple[Damage, list[str]]] = {
    "empty": (empty, ["holds no records", "create_pretraining_data.py"]),
    "missing": (shutil.rmtree, ["there is no such folder", "data_dir"]),
    "flipped bit": (spoil, [".tfrecord", "sha256"]),
    "flipped bit, no manifest": (without_manifest(spoil), [".tfrecord: record ", "checksum"]),
    "cut off": (halve, [".tfrecord", "bytes"]),
    "cut off, no manifest": (without_manifest(halve), [".tfrecord: record ", "cut off"]),
    "of another width": (without_manifest(add_wider_shard), ["wider.tfrecord: record 0", "'input_ids'", "one shape"]),
    "schema of another width": (edit_schema(input_ids={"shape": [8]}), ["schema.json", "input_ids"]),
    "schema of another type": (edit_schema(masked_lm_weights={"type": "int64"}), ["schema.json", "masked_lm_weights"]),
    "schema that is none": (lambda folder: write(folder / "schema.json", "{"), ["schema.json"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of sound records."""
    path = tmp_path / "my data"
    write_pretrain_folder(path, 20, seq_length=LENGTH, slots=SLOTS, vocab_size=len(VOCABULARY))
    return path


@pytest.mark.parametrize("name", FOLDERS)
def test_folder(name: str, folder: Path, fails: Fails, tmp_path: Path) -> None:
    damage, fragments = FOLDERS[name]
    run = tmp_path / "run"
    sound = Path(shutil.copytree(folder, tmp_path / "sound"))
    damage(folder)
    fails(
        "pretrain",
        training(folder, run, "--schema_dir", folder / "schema.json" if "schema" in name else ""),
        folder,
        *fragments,
    )
    schema = ["--schema_file", folder / "schema.json"] if "schema" in name else []
    held_out = ["--train_with_eval", "true", "--eval_data_dir", folder, *schema]
    fails("pretrain", training(sound, run, *held_out), folder, *[text for text in fragments if text != "data_dir"])
    assert not run.exists()


# Options that do not fit sound records, and what the error says.
UNFIT: dict[str, tuple[list[Any], list[str]]] = {
    "network's vocabulary too small": (
        ["--custom_net_cfg.vocab_size", 20],
        ["vocabulary of 26", "vocab_size is 20", "set vocab_size"],
    ),
    "records too long": (["--custom_net_cfg.seq_length", 8], ["padded to 16", "seq_length is 8", "set seq_length"]),
    "no folder": (["--data_dir", ""], ["data_dir", "not given", "--data_dir FOLDER"]),
    "no evaluation folder": (["--train_with_eval", "true"], ["train_with_eval needs eval_data_dir", "name the folder"]),
    "evaluation folder missing": (
        ["--train_with_eval", "true", "--eval_data_dir", "none"],
        ["none: there is no such folder"],
    ),
    "vocabulary missing": (
        ["--vocab_file_path", "none.txt"],
        ["none.txt: cannot read the file", "check vocab_file_path"],
    ),
    "processes without distribute": (["--device_num", 2], ["device_num 2 has no effect", "start with launch.py"]),
    "no launcher": (
        ["--distribute", "true"],
        ["distribute: cannot join the other processes", "start with launch.py, msrun or mpirun"],
    ),
    "unknown key": (["--epoch_sise", 3], ["--epoch_sise", "did you mean epoch_size?"]),
    "key of fine-tuning": (["--num_class", 3], ["--num_class", "task_classifier_config.yaml"]),
    "start that is not there": (["--load_checkpoint_path", "none.ckpt"], ["none.ckpt: no such checkpoint"]),
    "nothing to resume": (["--resume", "true"], ["there is no run to resume"]),
    "no device": (["--device_target", "GPU"], ["GPU cannot be used", "--device_target CPU"]),
}


@pytest.mark.parametrize("name", UNFIT)
def test_options(name: str, folder: Path, fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options, fragments = UNFIT[name]
    before = snapshot(tmp_path)
    fails("pretrain", training(folder, tmp_path / "run", *options), *fragments)
    assert snapshot(tmp_path) == before


def test_options_as_users_see_them(folder: Path, tmp_path: Path) -> None:
    """MindSpore says much more when there is no launcher: our line is the last one."""
    command = [
        sys.executable,
        str(ROOT / "run_pretrain.py"),
        *map(str, training(folder, tmp_path / "run", "--distribute", "true")),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    check_error(done.stderr, done.returncode, ["start with launch.py"])
    assert not (tmp_path / "run").exists()


def test_wrong_tokenizer(folder: Path, pretrain_data: PretrainData, fails: Fails, tmp_path: Path) -> None:
    run = tmp_path / "run"
    argv = training(folder, run, "--vocab_file_path", pretrain_data.vocabulary)
    fails(
        "pretrain", argv, pretrain_data.vocabulary, "not the one that the records were made with", "set vocab_file_path"
    )
    garbage = write(tmp_path / "garbage.model", "garbage" * 50)
    fails("pretrain", training(folder, run, "--spm_model_file", garbage), garbage, "not a SentencePiece model")
    held_out = ["--train_with_eval", "true", "--eval_data_dir", pretrain_data.held_out]
    fails("pretrain", training(folder, run, *held_out), pretrain_data.held_out, "another vocabulary")
    assert not run.exists()


def test_places_where_a_run_cannot_be(folder: Path, fails: Fails, tmp_path: Path) -> None:
    used = write(tmp_path / "used" / "notes.txt", "mine").parent
    file = write(tmp_path / "file", "mine")
    before = snapshot(tmp_path)
    fails("pretrain", training(folder, used), used, "not empty", "--overwrite true")
    fails("pretrain", training(folder, file / "run"), file, "a file stands where")
    fails("pretrain", training(folder, tmp_path / "run", "--save_checkpoint_path", file), file, "a file stands where")
    write(used / "checkpoint_albert-1_1.ckpt", "weights")
    fails("pretrain", training(folder, tmp_path / "run", "--save_checkpoint_path", used), used, "not this run's")
    (used / "checkpoint_albert-1_1.ckpt").unlink()
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(folder: Path, fails: Fails, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    fails("pretrain", training(folder, closed / "run"), closed, "no permission to write")


@pytest.mark.slow
def test_a_record_that_is_damaged_while_training_runs(
    folder: Path, fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PretrainTable.batch
    asked = []

    def batch(table: PretrainTable, *args: Any) -> Any:
        asked.append(args)
        if len(asked) == 4:
            spoil(folder)
        return real(table, *args)

    monkeypatch.setattr(PretrainTable, "batch", batch)
    options = ["--train_steps", 40, "--batch_size", 4, "--save_checkpoint_steps", 1]
    fails("pretrain", training(folder, tmp_path / "run", *options), shard(folder), "record ", "->")
    assert list((tmp_path / "run" / "checkpoints").glob("*.ckpt")) != []


@pytest.mark.slow
class TestScoring:
    """pretrain_eval.py on a finished run."""

    @pytest.fixture
    def weights(self, pretrained: tuple[Path, Outcome]) -> Path:
        return pretrained[0] / "checkpoints" / "checkpoint_albert-best.ckpt"

    def scoring(self, weights: Path, data: Path, results: Path, *extra: Any) -> list[Any]:
        keys = {"eval_ckpt": weights, "eval_data_dir": data, "run_dir": results, "batch_size": 8}
        return [*arguments(NETWORK, keys), *extra]

    def test_checkpoints(self, weights: Path, pretrain_data: PretrainData, fails: Fails, tmp_path: Path) -> None:
        results, data = tmp_path / "results", pretrain_data.held_out
        for name, damage, fragment in (
            ("bit", lambda path: flip(path, 3000), "checksum differs"),
            ("half", lambda path: cut(path, path.stat().st_size // 2), "cut off or not a checkpoint"),
            ("empty", lambda path: cut(path, 0), "the file is empty"),
        ):
            path = Path(shutil.copy(weights, tmp_path / f"{name}.ckpt"))
            damage(path)
            fails("pretrain_eval", self.scoring(path, data, results), path, fragment)
        fails("pretrain_eval", self.scoring(tmp_path / "none.ckpt", data, results), "none.ckpt: no such checkpoint")
        other = self.scoring(weights, data, results, "--custom_net_cfg.hidden_size", 64)
        fails("pretrain_eval", other, weights, "network.hidden_size was 32, is 64", "another checkpoint")
        # What training has beside the weights is no network.
        state = next(weights.parent.glob("*.state.ckpt"))
        fails("pretrain_eval", self.scoring(state, data, results), state, "missing")
        assert not results.exists()

    def test_options(self, weights: Path, pretrain_data: PretrainData, fails: Fails, tmp_path: Path) -> None:
        results, data = tmp_path / "results", pretrain_data.held_out
        fails("pretrain_eval", self.scoring(weights, Path(""), results, "--eval_data_dir", ""), "eval_data_dir", "give")
        fails("pretrain_eval", self.scoring(weights, tmp_path / "none", results), "there is no such folder")
        nothing = arguments(NETWORK, {"eval_data_dir": data, "run_dir": results})
        fails("pretrain_eval", nothing, "eval_ckpt: no checkpoint is given", "--config_path RUN/config.yaml")
        lonely = Path(shutil.copy(weights, tmp_path / "lonely.ckpt"))
        nowhere = arguments(NETWORK, {"eval_ckpt": lonely, "eval_data_dir": data})
        fails("pretrain_eval", nowhere, "run_dir", "lies in no run directory", "name a folder")
        assert not results.exists()

    def test_records_of_another_vocabulary(
        self, weights: Path, pretrain_data: PretrainData, fails: Fails, tmp_path: Path
    ) -> None:
        vocabulary = write(tmp_path / "vocab.txt", "\n".join([*VOCABULARY[:5], *reversed(VOCABULARY[5:])]) + "\n")
        create_records(pretrain_data.folder / "held_out.txt", tmp_path / "other", vocabulary)
        argv = self.scoring(weights, tmp_path / "other", tmp_path / "results")
        fails("pretrain_eval", argv, weights.parent.parent, "vocabulary", "give data")
        assert not (tmp_path / "results").exists()

    def test_a_run_without_a_checkpoint(self, pretrained: tuple[Path, Outcome], fails: Fails, tmp_path: Path) -> None:
        run = tmp_path / "run"
        shutil.copytree(pretrained[0], run, ignore=shutil.ignore_patterns("*.ckpt", "manifest.json"))
        before = snapshot(run)
        fails(
            "pretrain_eval",
            ["--config_path", run / "config.yaml"],
            run / "checkpoints",
            "no checkpoint yet",
            "train first",
        )
        assert snapshot(run) == before
