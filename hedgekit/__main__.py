"""``python -m hedgekit`` is the ``hedgekit`` command."""

from hedgekit.cli import main

main()
