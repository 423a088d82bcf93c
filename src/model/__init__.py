"""The ALBERT backbone, its heads and its weights."""
