"""Runs one sealed container and says exactly what happened. Knows nothing of people, tokens or jobs."""
