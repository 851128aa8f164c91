"""Receipts, the log, and their verification: no web server, no engine, no database."""
