"""Weights in the forms of other programs: TensorFlow, Hugging Face, the old model zoo."""
