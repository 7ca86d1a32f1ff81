"""What a notebook shows while something runs: the live plot, and panels made of it."""

from __future__ import annotations
