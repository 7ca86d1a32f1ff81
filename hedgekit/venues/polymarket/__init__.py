"""Polymarket (CLOB V2): what to send and what the answers mean.

Checked against the worked example that both of the venue's SDKs agree on, and against payloads made from its documents; never yet
run against Polymarket's servers, which have no paper environment: orders go to loopback only (L8).

**Idempotency (L2).** There is no client order id. The venue's id of an order is the hash of what is signed, so it is known before
the order leaves, and salt and timestamp are made of the :class:`~hedgekit.types.Order` alone, so that the same order is always the
same bytes. Posting it again is refused as a duplicate. No other order can take its id, so there is no ``void``. The venue answers
a look-up for open orders only: of one that is over it says nothing, and of one that never came too; so nothing found is no end
by itself. For an order that was there it means that it is over (:meth:`~hedgekit.venues.polymarket.client.Polymarket.gone`), and
what it executed is told by the account's trades, under the id that we computed.

**Two tokens.** An instrument is one outcome's token, quoted in its own price p. There is no short selling: an order that only
brings a position towards zero sells the token that is held, any other buys, the opposite token at 1 - p where the core sells.
A position is what is held of the token less what is held of its opposite. Both held at once are complete sets, each worth 1 when
merged, and their money is locked until then.

**The dead man's switch (L6)**: a beat is posted every 5 s; once one was taken, 10 s without another cancel all orders of the API key, on
the venue's part as well as it can. It cannot be disarmed. :class:`hedgekit.paper.heart.Heart` holds it; what the venue does with orders
that come after it has fired and before the next beat is not documented, so live it beats from the session's start.

**Provisional fills.** A trade is told when it is MATCHED. If it ends as FAILED on the chain, a Fill with the cause "reversal" undoes it;
a minute after each execution the list of trades is asked whether it has, in case the stream did not say so.
"""

from __future__ import annotations

from hedgekit.venues.polymarket.client import Polymarket
from hedgekit.venues.polymarket.rules import Market, fee, market_of
from hedgekit.venues.polymarket.tokens import Native

__all__ = ["Market", "Native", "Polymarket", "fee", "market_of"]
