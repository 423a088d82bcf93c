"""Commands that measure this project: memory of training, speed and statistics of data creation."""
