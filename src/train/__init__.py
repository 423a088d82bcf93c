"""Optimizers, schedules, the train cell, checkpoints, progress."""
