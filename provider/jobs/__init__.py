"""The life of a job: its states, and the worker that moves it."""
