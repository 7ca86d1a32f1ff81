"""Deribit (test.deribit.com): what to send and what the answers mean.

JSON-RPC, over HTTP for orders and questions and over WebSocket for prices and the
account's orders. Written from Deribit's published API documents (v2.1.1); never
yet run against its servers.

**Idempotency (L2).** A label is no key: two orders may have the same one, so an
order of which nothing is known is never posted again, and none can take its
label. Its validity is bounded instead: every order carries ``valid_until``, its
decision's time plus :data:`~hedgekit.venues.deribit.wire.LIFETIME_NS`, and the
matching engine refuses to begin with it later. So one that the venue does not
know once that time and the difference of two clocks are over will never be there.
(A signature dies on its own too, 60 seconds after its time.) It is looked up by
its label; two orders under one label are an error, said by name.

**Quantities.** Deribit counts an inverse perpetual in dollars and a linear one in
coins ("amount"). A quantity of ours is signed and in contracts of
``Instrument.multiplier``: amount = ``|quantity|`` x multiplier, so with a multiplier
of 10 a quantity of -3 of BTC-PERPETUAL is a sale of amount 30. What Deribit
answers is divided by it, exactly. ``reduce_only`` is never sent, whatever
``Order.reduces`` says: an account has one net position, and the pairs that share
it may hold against each other.

**The dead man's switch (A19)** is ``private/enable_cancel_on_disconnect``, said at
every login of the account's socket. Deribit documents that it cancels the orders
made on that connection *and no others*, and that HTTP has no such thing: orders
that were posted over HTTP, as all of ours are, outlive the session that made them.
It will protect orders once they are sent over that socket. Until then ``valid_until``
only sees to it that none begins after its session is dead; one that rests stays.

**Executions** older than a day are kept apart ("historical") and are asked for too when an order is that old; Deribit does not say how
soon after that day they are listed there.

**Books** come with the id of the change before, so a gap is seen. Aggregated over
100 ms: unlike the raw ones they need no login, so no key goes to a data host.
"""

from __future__ import annotations

from hedgekit.venues.deribit.client import Deribit

__all__ = ["Deribit"]
