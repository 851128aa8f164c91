"""Trusted code that runs inside the container: PID 1 and the probe. Standard library only."""
