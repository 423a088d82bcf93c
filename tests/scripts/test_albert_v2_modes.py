"""What the launchers of the V2 recipes do with ``--mode``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.albert_v2_world import FULL, PERFORMANCE, World, arguments


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def trained_run(world: World) -> Path:
    run = world.folder / "output" / "0" / "albert_v2_base_full"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("")
    (run / "checkpoints" / "classifier-best.ckpt").write_text("")
    (run.parent / "train_0.log").write_text("the training\n")
    return run


@pytest.mark.parametrize(
    ("words", "mode", "expected"),
    [
        (
            ["--mode=predict"],
            "predict",
            "--albert_data_dir data --custom_network_dir albert_base --eval_data_file_path= --meta_data_file_path=",
        ),
        (["--mode", "Export_Only"], "export_only", "--export_file_name {output}/albert_v2_base"),
    ],
)
def test_other_modes_take_the_run(world: World, words: list[str], mode: str, expected: str) -> None:
    run = trained_run(world)
    before = sorted(path.name for path in run.parent.iterdir())
    result = world.run(FULL, "--data_path=data", "--device_target=CPU", *words, TRAINING_STATUS="3")
    # The status and what is printed are those of the program.
    assert (result.returncode, result.stdout) == (3, "training\n")
    place, environment, call = world.calls()[0]
    assert call == (
        f"run_classifier.py --config_path {run}/config.yaml --run_dir {run} --mode {mode} --device_target Ascend"
        f" --device_id 0 {expected.format(output=run.parent)} --device_target=CPU"
    )
    assert (place, environment["RANK_SIZE"], len(world.calls())) == (str(world.folder), "1", 1)
    assert (run.parent / "train_0.log").read_text() == "the training\n"
    assert sorted(path.name for path in run.parent.iterdir()) == before


@pytest.mark.parametrize("mode", ["predict", "export_only"])
def test_other_modes_without_a_run_say_what_to_do(world: World, mode: str) -> None:
    run = world.folder / "output" / "0" / "albert_v2_base_full"
    for _ in range(2):
        result = world.run(FULL, "--data_path=data", f"--mode={mode}", "--resume=true")
        assert (result.returncode, result.stdout, world.calls()) == (2, "", [])
        assert result.stderr == (
            f"error: {run}: --mode={mode} needs a trained run here, and there is none -> train first, without --mode:"
            " bash scripts/train_albert_v2_full_1p.sh --data_path=data --size=base\n"
        )
        # Nor with a training that has not evaluated yet.
        run.mkdir(parents=True, exist_ok=True)
        (run / "config.yaml").write_text("")
    result = world.run(PERFORMANCE, "--data_path=data", f"--mode={mode}")
    assert result.returncode == 2
    assert result.stderr.startswith(
        f"error: --mode={mode} needs a training with evaluation -> use train_albert_v2_full"
    )


def test_the_mode_of_a_training_is_passed_on(world: World) -> None:
    assert world.run(FULL, "--data_path=data", "--mode=train_and_eval").returncode == 0
    assert world.calls()[1][2] == f"{arguments(world)} --mode train_and_eval"
