"""How much privacy a job costs, and what is left of a dataset's budget. Trains nothing and releases nothing."""
