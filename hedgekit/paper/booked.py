"""What a venue has booked without an order of ours, given to the pairs whose it is: each journal has its part, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from hedgekit.net.bookings import shares
from hedgekit.paper.pair import Pair
from hedgekit.types import Booked, Payment, Settled, TakenBack


def book(found: Iterable[Booked], pairs: Sequence[Pair]) -> None:
    """Let the pairs of an account book what is new of it.

    A payment is of the whole account. It is shared among the pairs that trade the instrument by what they hold when it is told, those
    that have their share already (the process was killed when not all had) left out with it, so the shares add up to the payment.
    """
    for one in found:
        here = [pair for pair in pairs if one.instrument in pair.hedger.positions]
        if isinstance(one, Settled | TakenBack):
            for pair in here:
                if not pair.ended:
                    pair.settled(one) if isinstance(one, Settled) else _take_back(one, pair)
            continue
        left = one.amount - sum((pair.payments.get(one.key, Decimal(0)) for pair in here), Decimal(0))
        owed = [pair for pair in here if not pair.ended and one.key not in pair.payments]
        if left and owed:
            _share(one, left, owed)


def _take_back(told: TakenBack, pair: Pair) -> None:
    """Book a reversal that was not told; where its execution was not either, the order is not over, and what became of it is asked."""
    venue = told.instrument.partition(":")[0]
    outbox = pair.outboxes[venue]
    if told.undone.order_id.rsplit("-", 2)[0] != pair.config.session or not outbox.fresh(told.undone):
        return
    if outbox.fresh(told.executed):
        pair.ask(venue)
    else:
        pair.apply(told.undone)


def _share(payment: Payment, amount: Decimal, pairs: Sequence[Pair]) -> None:
    parts = shares(amount, (pair.hedger.positions[payment.instrument] for pair in pairs))
    for pair, part in zip(pairs, parts, strict=True):
        if part:
            pair.pay(msgspec.structs.replace(payment, amount=part))
