"""Pure decisions: may this run, may this leave. No docker, flask, chain, clock or environment."""
