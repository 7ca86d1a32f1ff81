"""Alpaca (paper): what to send and what the answers mean.

Checked against the sandbox's strict server and the field lists of Alpaca's own
OpenAPI files; never yet run against Alpaca's servers.

**Idempotency (L2).** ``client_order_id`` is unique for an account: posting an
order again with the id of an earlier one is refused with 422, whatever became of
the first. So an order whose outcome is unknown is posted again with the same id,
and the refusal is answered by a look-up. "Not found" alone would prove nothing.

**No sequence numbers** on either socket: a gap cannot be seen, only a new
connection. The sandbox adds one field to fills, ``fee``; Alpaca's paper accounts
charge none, and a missing ``fee`` is read as zero.

**No dead man's switch (L6)** of any kind: what rests when a session dies stays until
the order's day is over, or for good ("gtc"); a restarted session finds and cancels it.
"""

from __future__ import annotations

from hedgekit.venues.alpaca.client import Alpaca

__all__ = ["Alpaca"]
