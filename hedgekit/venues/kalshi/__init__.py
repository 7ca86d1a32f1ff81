"""Kalshi (demo): what to send, what the answers mean, and the books of its YES contracts.

Written from the venue's documents (Trade API v2, OpenAPI and AsyncAPI 3.34.0 of October 2026); never yet run against Kalshi's servers.
What other people have reported of the live venue is marked so where it is used.

**Idempotency (L2).** ``client_order_id``: an order under an id that live or recent orders have is refused with 409. So an order
whose outcome is unknown is posted again with the same bytes, and the refusal is answered by a look-up. The documents do not say what
code that refusal has (``order_already_exists``, live users say), and 409 also answers an order that was killed for want of volume.
So every 409 but that one reads as a duplicate: read wrongly, it costs look-ups and a loud error; a duplicate read as a refusal could
cost a second order. A killed order is reported to use up its id too. There is no look-up by our own id: orders of the market since
the decision are listed and matched.
A resting order carries ``expiration_time``, so a request that is much too late cannot rest, and is cancelled when trading is paused.
That is also the dead man's switch (L6), and all there is of one: REST and WebSocket have no cancel on disconnect, so what rests when a
session dies can execute until then.

**One book, one signed number.** "bid" buys YES, "ask" sells YES, which is to buy NO at 1 - p; all prices are YES prices, and a position
is positive in YES and negative in NO, which net at once. Nothing differs between selling what is held and what is not, so
``Order.reduces`` changes no byte: ``reduce_only`` would count the account's position, and two pairs can hold against each other.
The venue takes 1 - p for a sale that opens; cash as reported is its balance plus 1 for every contract that is sold short (what it
has set aside), so that cash and signed positions add up to the equity.

**Sequence numbers.** One counter for each subscription, over all of its markets. Any break (a jump, an older number, another message
under the same number, a delta before its snapshot, a level below zero, a subscription that the venue has ended) is a Gap, and nothing
more is told by that feed. The same frame twice in a row is one frame. Fills and order updates have no numbers.

**Quotes.** A side without orders is told as price 0.0 and size 0.0, which the core takes for no price.
The venue gives no time for its latest quotes, so a frozen feed cannot be told from a quiet market by REST:
``latest`` asks for a sign of life, and its answer names no time.
"""

from __future__ import annotations

from hedgekit.venues.kalshi.client import Kalshi

__all__ = ["Kalshi"]
