"""Contracts, their committed artifacts, a typed client for any EVM, keys, and a local chain."""
