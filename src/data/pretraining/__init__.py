"""From raw text to the records that pre-training reads."""
