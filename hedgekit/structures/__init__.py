"""Hedge structures, one per file: which legs, and how much of each (A6 to A8)."""
