"""The article's rules as pure compiled functions, one rule per file.

They know numbers only: no events, no time but what they are given, no I/O.
``hedgekit.step`` puts them together. ``guard`` is no such function: an account's limits, which keep what they were told
of orders, fills and payments.
"""
