"""A user's own signal or hedge: one module file, pinned by its hash, tried for looking ahead, the same in backtest and session.

Write a file that defines ``scores``, ``ratios`` or both, for example ``my_signal.py``::

    import numpy as np

    BARS = 30

    def scores(mids):
        "z of the log spread over 30 bars, the present one included."
        spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
        z = np.full(len(spread), np.nan)              # NaN: no opinion on this bar
        for bar in range(BARS - 1, len(spread)):
            window = spread[bar - BARS + 1 : bar + 1]
            z[bar] = (window[-1] - window.mean()) / window.std(ddof=1)
        return z

    def ratios(mids):
        "Dollars of hedge for a dollar of primary: the slope of the newest 250 returns."
        p, h = np.diff(np.log(mids[-251:]), axis=0).T
        return float(p @ h / (h @ h))

then backtest it, read its hash, and trade just this file on paper::

    hedgekit backtest prices.csv KO PEP --plugin my_signal.py
    hedgekit paper start --plugin my_signal.py --plugin-sha256 <the hash that the backtest printed>

or in Python::

    from hedgekit import Params, plugins, run_backtest

    plugin = plugins.load("my_signal.py")
    run_backtest(tape, Params.make(signal="user"), scores=plugin.scores, ratios=plugin.ratios)

What the functions get and give
-------------------------------
``mids``
    float64 array of shape (bars, legs), read-only: mid prices at every bar close since the start, primary first. A session
    hands over what the backtest does: all bars since its own start. If ``scores`` needs only the newest n bars, say so with
    ``WINDOW = n`` in the module: then a session hands over only so many (and the 100 before, which it checks again), and the
    cost of a bar does not grow with the session. A backtest refuses a ``WINDOW`` that is too short. Without it a bar costs
    what one call on the whole history costs; a call beyond the limit (5 s) stops the plugin, and its incident says so.
``scores(mids)``, for ``signal="user"``
    One z for each bar, shape (bars,), NaN for no opinion; or a pair of z and sd, what one unit of z is worth as a fraction of
    the primary's value (A20; by default that of the log spread).
``ratios(mids)``
    The hedge ratio in dollars of hedge for each dollar of primary: one number, or one for each hedge; or a dict with ``ratio``
    and, if you know them, ``stderr``, ``half_life`` (bars), ``p_value`` with the name of its ``test``, and ``n``. It is asked
    at bar ``fit_bars + 1`` and every ``refit_bars`` bars after it, instead of hedgekit's own estimate, with the bars so far.
    Nothing is tested for you: without a ``p_value`` below ``significance`` no trade is opened unless ``evidence_override`` says why.

A number may rest on its own bar and those before it alone. A backtest asks again on parts of the history and refuses what
changes by one bit; a session compares, at each bar, the scores of the 100 bars before with those that it has journalled
(rounding aside), and each ratio with the one before it.

When it fails in a session
--------------------------
The plugin runs in a process of its own, without the session's keys, and is waited for at most 5 s. The session goes on. A bar on which it
raises or gives a wrong shape has no z ("no opinion"), and entries are paused by a ``pause`` command in the journal whose ``ref`` says
what happened; the hedge is kept, and exits go on with the next z that it gives. A ratio that fails leaves the old one in force. After three
failures in a row, when it does not answer in time, ends its process or changes a past number, it is not asked again; if the signal was
its own, the open trade would have no exit left, so it is closed (``flatten``).
A person may ``resume`` a paused session.

While it thinks, its session waits: the score of a bar is decided on in the bar's own instant, so that a session decides what a backtest
does (L1). All pairs of the session wait with it, as their orders share one account and its limits. A module that hangs costs them the
limit once, for it is not asked again; one that is merely slow costs them its time at every bar. So keep a call to milliseconds, and set
``plugin_limit_s`` of the session's file to what you would let a hedge of another pair wait: at a venue with a dead man's switch well
below the 5 s between two beats, or the venue may cancel your orders.

What is pinned
--------------
The bytes of the file: what is hashed is what runs, and a journal names the file (not its folder) and its SHA-256. **Not** pinned is
what it imports or reads: another version of a library can change its numbers. A journal keeps the versions of Python, numpy, pandas
and of what the module imports by name, and a session that is restarted computes its whole past again and compares. Replaying a journal
needs neither the module nor its libraries: every score and ratio stands in it.

A plugin is a program that you run with your own rights. It is kept apart so that its failures do no harm, not as a defence against
malice: do not run a file that you have not read.
"""

from __future__ import annotations

from hedgekit.plugins.checks import PluginError
from hedgekit.plugins.module import Plugin, load

__all__ = ["Plugin", "PluginError", "load"]
