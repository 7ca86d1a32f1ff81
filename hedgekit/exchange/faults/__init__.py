"""What can go wrong between a client and a venue, planned in advance, and which of it happens now.

A :class:`Fault` says what and from when on; :class:`Faults` counts requests,
messages and rows, and answers at each of them what befalls it. Nothing here does
the harm: whoever carries the requests and messages asks, obeys, and reports back
what really came to pass. Time is passed in, and a random plan (:func:`schedule`)
is a function of its seed alone, on every machine and in every version.
"""

from __future__ import annotations

from hedgekit.exchange.faults.due import ChannelName, Faults, Outage, Purpose
from hedgekit.exchange.faults.fault import EVERYWHERE, Fault, FaultKind
from hedgekit.exchange.faults.plan import schedule

__all__ = ["EVERYWHERE", "ChannelName", "Fault", "FaultKind", "Faults", "Outage", "Purpose", "schedule"]
