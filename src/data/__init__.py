"""Text to records to batches: tokenizers, record files, tasks, datasets."""
