"""The audit of a provider's whole log: pure rules over entries, a trust root and what a chain says. No network, no files."""
