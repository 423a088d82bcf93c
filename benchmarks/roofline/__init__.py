"""What a train step consists of, how long each part must take at the limits of a machine, and what share is reached."""
