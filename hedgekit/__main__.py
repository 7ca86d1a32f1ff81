"""``python -m hedgekit`` is the ``hedgekit`` command."""

from __future__ import annotations

from hedgekit.cli import main

main()
