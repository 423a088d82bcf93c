"""Object storage: fetch what a job needs before it starts, send its results while it runs."""
