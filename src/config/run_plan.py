"""What a command does with its task, in one form for all tasks, whatever their configuration files call the keys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunPlan:
    """What is trained from where, for how long, and what is kept.

    Attributes:
        train: Train.
        evaluate: Evaluate, during training and at the end.
        predict: Write predictions at the end.
        epochs: Passes over the training data, read where ``train_steps`` is not over 0.
        train_steps: Updates to train for, or -1.
        batch_size: Rows of a micro-batch on one device.
        eval_steps: Updates between evaluations; 0 evaluates at the end of each epoch.
        save_steps: Updates between checkpoints; 0 saves at the end of each epoch.
        save: Save checkpoints at all.
        keep: Recent checkpoints kept.
        start_weights: Checkpoint whose weights training starts from; empty starts from random weights.
        start_weights_key: The configuration's key of it.
        start_heads: The heads, too, begin with that checkpoint's where it has them.
        random_start: Random weights are meant where ``start_weights`` is empty.
        scored_weights: Checkpoint to evaluate or predict with, without training.
        checkpoint_folder: Folder of the checkpoints; empty takes the one in the run directory.
        checkpoint_folder_key: The configuration's key of it.
        slice_optimizer_state: Split the optimizer's state over the processes.
        sink_steps: Updates between two looks of the host, where the device fetches its batches from a queue; else 0.
    """

    train: bool
    evaluate: bool
    predict: bool
    epochs: int
    train_steps: int
    batch_size: int
    eval_steps: int
    save_steps: int
    save: bool
    keep: int
    start_weights: str
    start_weights_key: str
    start_heads: bool
    random_start: bool
    scored_weights: str
    checkpoint_folder: str
    checkpoint_folder_key: str
    slice_optimizer_state: bool = False
    sink_steps: int = 0

    def total_steps(self, steps_per_epoch: int) -> int:
        """Return the updates of the whole training."""
        return self.train_steps if self.train_steps > 0 else self.epochs * steps_per_epoch
