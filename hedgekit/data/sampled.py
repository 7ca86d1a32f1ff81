"""One market of the vendored order books, as a recipe that a sandbox can play."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import msgspec

from hedgekit.data.books import Books, load_books
from hedgekit.data.closes import _did_you_mean
from hedgekit.data.market import described
from hedgekit.errors import ConfigError
from hedgekit.types import Fees

if TYPE_CHECKING:
    from hedgekit.data.tape import Tape
    from hedgekit.types import Instrument


class SampledBooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sampled_books"):
    """A recipe for recorded books that come with hedgekit, passed between processes as JSON.

    Attributes
    ----------
    market : str
        The market's name in the sample (:func:`load_books`).
    sample : str
        The sample.
    fee_rate : str
        Decimal: takers pay this x p (1 - p) a share at Polymarket; elsewhere it is a rate on notional.
    first, last : int or None
        Rows, from the first up to, not including, the last; all of them by default.
    """

    market: str
    sample: str = "pm_poly_btc15m"
    fee_rate: str = "0"
    first: int | None = None
    last: int | None = None

    @property
    def primary(self) -> str:
        """The symbol of the first leg."""
        return f"{self.market}-UP"

    @property
    def hedge(self) -> str:
        """The symbol of the second leg."""
        return f"{self.market}-DOWN"

    def instruments(self) -> tuple[Instrument, ...]:
        """Return both outcomes, UP first."""
        return self.books().instruments

    def books(self) -> Books:
        """Return what was recorded, level by level.

        Raises
        ------
        ConfigError
            If there is no such market, the fee is no number from 0, or no row is left.
        DataError
            If there is no such sample.
        """
        try:
            rate = Decimal(self.fee_rate)
        except InvalidOperation:
            rate = Decimal(-1)
        if not (rate.is_finite() and rate >= 0):
            msg = f"fee_rate={self.fee_rate!r}: give a decimal from 0, as text"
            raise ConfigError(msg)
        every = load_books(self.sample, fees=Fees(rate=rate, quantum=Decimal("0.00001")))
        if self.market not in every:
            msg = f"no market {self.market!r} in {self.sample}{_did_you_mean(self.market, [*every])}"
            raise ConfigError(msg)
        whole = every[self.market]
        start, stop, _ = slice(self.first, self.last).indices(len(whole))
        if start >= stop:
            msg = f"first={self.first}, last={self.last}: no row is left of the {len(whole)} of {self.market}"
            raise ConfigError(msg)
        return whole.rows(start, stop)

    def tape(self) -> Tape:
        """Return the top of the book: :meth:`Books.tape`."""
        return self.books().tape()

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are; the digest is that of the whole depth."""
        books = self.books()
        title = re.sub(r",? top of the book.*", "", tape.description)
        told = described(self, f"Order books as recorded, {books.levels} a side ({title})", tape)
        return told | {"digest": books.digest, "levels": str(books.levels)}
