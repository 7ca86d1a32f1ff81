"""The simulated exchange: a book, a ledger and the engine that joins them.

Pure: no clock, no I/O, no randomness. Time arrives with quotes and requests,
everything that happened leaves as reports, and equal inputs give equal reports.
"""
