"""The `sealroom` command, one module per group of commands."""
