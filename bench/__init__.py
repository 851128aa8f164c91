"""Measures what the product promises about speed; ships with nothing. Every ratio is of two sides in one run."""
