"""Trains what a recipe says, inside the seal. Nothing here is the consumer's code, and no number is taken from the data."""
