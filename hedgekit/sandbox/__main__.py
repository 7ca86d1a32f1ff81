"""``python -m hedgekit.sandbox``."""

from __future__ import annotations

from hedgekit.sandbox.server import main

if __name__ == "__main__":
    raise SystemExit(main())
