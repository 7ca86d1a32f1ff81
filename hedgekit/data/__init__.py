"""Load history, check it, and turn closes into quotes that an exchange can trade.

Loading never fills, drops or sorts anything: data that cannot be used as it
stands is refused with an error that says where it is wrong.

A :class:`Tape` is the history in the shape in which both the backtest and the
sandbox exchange read it. Daily closes carry no quotes, so :class:`Market` makes
them by stated assumptions; a profit on them is a profit under those assumptions.
:class:`SyntheticMarket` makes the prices too, with a truth that is known, and
:class:`SyntheticBinary` a pair of contracts that resolve to 0 or 1. :class:`Books` are recorded order books, level by level.

A market that can be played is a recipe, JSON with a ``kind``: ``recorded`` (:class:`Market`, the sample of closes), ``file``
(:class:`Recorded`, a user's own file of books, top of book or closes), ``sampled_books`` (:class:`SampledBooks`, order books that come
with hedgekit), ``feed`` (:class:`LiveFeed`, a public stream, live), ``synthetic`` and ``synthetic_binary``. ``hedgekit sandbox``,
``hedgekit paper start``, the desk and the backtests take them all by it.
"""

from __future__ import annotations

from hedgekit.data.binary import SyntheticBinary
from hedgekit.data.books import SAMPLE_BOOKS, Books, Walk, books_of, load_books
from hedgekit.data.carry import Carry
from hedgekit.data.closes import SAMPLES, check_closes, load_closes, load_sample
from hedgekit.data.live_feed import LiveFeed
from hedgekit.data.market import Market
from hedgekit.data.recipe import Recipe, recipe_of
from hedgekit.data.recorded import Recorded
from hedgekit.data.sampled import SampledBooks
from hedgekit.data.synthetic import SyntheticMarket
from hedgekit.data.tape import CLOSE_S, Array, Tape, tape_from_closes

__all__ = [
    "CLOSE_S",
    "SAMPLES",
    "SAMPLE_BOOKS",
    "Array",
    "Books",
    "Carry",
    "LiveFeed",
    "Market",
    "Recipe",
    "Recorded",
    "SampledBooks",
    "SyntheticBinary",
    "SyntheticMarket",
    "Tape",
    "Walk",
    "books_of",
    "check_closes",
    "load_books",
    "load_closes",
    "load_sample",
    "recipe_of",
    "tape_from_closes",
]
