"""The flat records that the compiled step reads and writes, and the codes in them.

One record each for state, parameters, observation and outcome, so that one call
carries four pointers whatever the strategy, and so that a backtest, a replay and
a paper session keep their state in the same bytes.
"""

from __future__ import annotations

import numpy as np

from hedgekit.params import WINDOW_MAX
from hedgekit.types import Action, Phase, Reason

LEGS_MAX = 4
"""Most legs in one structure: one primary and up to three hedges."""

PHASES = tuple(Phase)
ACTIONS = tuple(Action)
REASONS = tuple(Reason)

FLAT, OPENING, OPEN, CLOSING, RECOVERING, HALTED = range(len(PHASES))
(HOLD, ENTER, CLOSE, REBALANCE, REPAIR, SKIP, VETO) = range(len(ACTIONS))
(
    WARMING_UP,
    NO_PLAN,
    PLAN_EXPIRED,
    NO_EVIDENCE,
    PLAN_REVISED,
    STALE_QUOTE,
    NO_SIGNAL,
    BEYOND_STOP,
    EDGE_BELOW_COST,
    BELOW_ONE_LOT,
    ENTRY,
    WAIT_TARGET,
    TARGET,
    STOP,
    TIME_STOP,
    COOLDOWN,
    REARMING,
    SCALE_IN,
    IN_BAND,
    DRIFT,
    COST_EXCEEDS_BENEFIT,
    WORKING,
    LEG_SHORTFALL,
    LEG_REJECTED,
    ORDER_OVERDUE,
    SHORT_ACCEPTED,
    CUT_BACK,
    NAKED_LIMIT,
    VENUE_SILENT,
    VENUE_BACK,
    RECONCILING,
    RECONCILED,
    FILLED,
    PAUSED,
    FLATTEN,
    HALT,
    SETTLED,
    REVERSED,
    STOOD_IN,
    NOTED,
) = range(len(REASONS))

QUOTE, TIMER, FILL, DONE, REJECTED, PLAN, COMMAND, GAP, SCORE, LINK, AGREED, STATUS, BOOKED, NOTE = range(14)
"""Kinds of observation."""

PAUSE_CMD, RESUME_CMD, FLATTEN_CMD, HALT_CMD, STOP_CMD, SET_CMD, PLAN_CMD = range(7)
COMMANDS = {
    "pause": PAUSE_CMD,
    "resume": RESUME_CMD,
    "flatten": FLATTEN_CMD,
    "halt": HALT_CMD,
    "stop": STOP_CMD,
    "set": SET_CMD,
    "plan": PLAN_CMD,  # of itself it decides nothing: the plan is the event after it
}

UP, DOWN, FROZEN, RESTARTED = range(4)
LINKS = {"up": UP, "down": DOWN, "frozen": FROZEN, "restarted": RESTARTED}

PAIRS, UNHEDGED, SYNTHETIC, DELTA = range(4)
STRUCTURES = {"pairs": PAIRS, "unhedged": UNHEDGED, "synthetic": SYNTHETIC, "delta": DELTA}

LOG_SPREAD, SPREAD, RATIO, PRICE, LOGIT, S_SCORE, USER = range(7)
SIGNALS = {
    "log spread": LOG_SPREAD,
    "spread": SPREAD,
    "ratio": RATIO,
    "price": PRICE,
    "logit": LOGIT,
    "s-score": S_SCORE,
    "user": USER,
}

_i, _f, _legs = np.int64, np.float64, (LEGS_MAX,)

STATE = np.dtype(
    [
        ("phase", _i),
        ("trade", _i),  # number of the present or last round trip, from 1
        ("side", _i),  # +1 long the spread (long primary), -1 short it, 0 flat
        ("bars", _i),  # bars closed since the start
        ("entry_bar", _i),  # bars at the present trade's entry
        ("cool_until", _i),  # no entry before so many bars: the cooldown after a stop
        ("disarmed", _i),  # 1: after a stop, until z has come back inside the entry level
        ("steps", _i),  # parts of the full size that the present trade has taken (scale-in)
        ("warm", _i),  # bars in the window since the start or the last gap
        ("head", _i),  # where the next bar is written
        ("has_plan", _i),
        ("evidence_ok", _i),
        ("plan_until_ns", _i),
        ("next_bar_ns", _i),  # 0: no quote since the last bar, so none to close
        ("closed_ns", _i),  # end of the last bar
        ("ticks", _i),  # quotes of the primary since the last bar, where bars are made of quotes
        ("look_ns", _i),  # 0: no look at the delta is waiting
        ("last_look_ns", _i),
        ("paused", _i),
        ("back", _i),  # while recovering: the phase to go on in
        ("broken", _i),  # while recovering: 1 to close both legs instead (L6); 2: a person wants it, also while prices stand still
        ("escape", _i),  # while recovering: 1 to flatten through the leg that stands in, once there are prices; 2: it was ordered
        ("repair_ns", _i),  # 0: no order can become overdue, and no naked limit be reached
        ("overdue", _i),  # 1: an order is, but there is no quote to act on
        ("sent_ns", _i, _legs),  # when the order that works was sent
        ("rung", _i, _legs),  # of the ladder: how often a leg's order was overdue
        ("naked_ns", _i),  # up to when the two sums below count
        ("naked", _f),  # money that is held and not hedged, or hedges nothing, because orders are not filled
        ("naked_sum", _f),  # the same x seconds, of this trade
        ("naked_used", _f),  # the part of it while there were fresh quotes
        ("z", _f),
        ("sd", _f),  # of the signal over the window, as a fraction of the primary's value
        ("half_life", _f),  # of the plan, bars; infinite if it shows no reversion
        ("ratio", _f, _legs),  # dollars of each hedge for a dollar of primary; the primary's own entry is unused
        ("pos", _f, _legs),  # signed, filled
        ("coins", _f, _legs),  # of an inverse perpetual: what its contracts are worth in coin, by the prices they were filled at
        ("working", _f, _legs),  # signed, ordered and neither filled nor over
        ("cancelling", _i, _legs),
        ("refused", _i, _legs),  # the bars there had been, and one, when an order of it was refused last; 0 for never
        ("owed", _i, _legs),  # 1: its order is over, and the ladder's next step waits for a quote that is young enough
        ("target", _f, _legs),
        ("full", _f, _legs),  # the last targets that were not zero: how much of each leg belongs to how much of the primary
        ("bid", _f, _legs),
        ("ask", _f, _legs),
        ("quote_ns", _i, _legs),
        ("shut", _i, _legs),  # 1: cannot be traded now: closed, halted or paused by its venue
        ("down", _i, _legs),  # 1: its venue is not heard
        ("still", _i, _legs),  # 1: its venue answers, but its prices stand still
        ("agreed", _i, _legs),  # while recovering, 1: its venue has told what is held, and it is what we hold
        ("scratch", _f, (WINDOW_MAX,)),
        ("window", _f, (LEGS_MAX, WINDOW_MAX)),  # ln(mid x multiplier) at bar closes
    ],
    align=True,
)

PARAMS = np.dtype(
    [
        ("structure", _i),
        ("signal", _i),
        ("to_edge", _i),  # 1: a rebalance goes to the near edge of the cost-aware band, 0: to the target
        ("rearm", _i),  # 1: after a stop, z must come back inside the entry level before the next entry
        ("cooldown", _i),  # bars
        ("scale_steps", _i),
        ("n_legs", _i),  # of the structure
        ("n_all", _i),  # with the one that stands in for another
        ("stands_for", _i),  # which leg the last one stands in for; -1: none does
        ("lookback", _i),
        ("bar_ns", _i),
        ("bar_ticks", _i),  # quotes of the primary in a bar; 0: bars of time
        ("delta_model", _i),
        ("inverse", _i, _legs),  # 1: amount in money, profit in coin
        ("venue", _i, _legs),  # number of its venue: legs of one venue have the same
        ("expiry_ns", _i, _legs),
        ("offset_ns", _i),
        ("interval_ns", _i),
        ("max_age_ns", _i),
        ("entry", _f),
        ("target", _f),
        ("stop", _f),
        ("time_stop", _f),  # half-lives; 0 for none
        ("scale_gap", _f),  # sd of z between two steps
        ("hedge_frac", _f),
        ("loss_cap", _f),  # money; 0 for none
        ("volatility", _f),  # of the hedge, per square root of a year
        ("correlation", _f),
        ("notional", _f),
        ("tolerance", _f),
        ("risk_aversion", _f),
        ("horizon_bars", _f),
        ("buffer", _f),
        ("limits", _i),  # 1: limit orders
        ("patience_ns", _i),
        ("retries", _i),
        ("accept", _f),
        ("cap", _f),
        ("naked_limit", _f),  # money x seconds; 0 for none
        ("tick", _f, _legs),
        ("lot", _f, _legs),
        ("multiplier", _f, _legs),
        ("fee_rate", _f, _legs),
        ("fee_unit", _f, _legs),
    ],
    align=True,
)

OBSERVATION = np.dtype(
    [
        ("ts_ns", _i),
        ("kind", _i),
        ("leg", _i),  # or the code of a command, or of a link's state; of positions that agree, the venue's number, -1 for all
        ("a", _f),  # bid; signed quantity filled or no longer working; score
        ("b", _f),  # ask; price of a fill; half-life of a plan; sd of a score
        ("ratio", _f, _legs),  # of a plan
        ("until_ns", _i),  # expiry of a plan; since when prices were missed
        ("flag", _i),  # 1: the plan's evidence holds or is overridden; the venue's positions are ours; a settlement. A link's venue
    ],
    align=True,
)

OUT = np.dtype(
    [
        ("ts_ns", _i),
        ("action", _i),
        ("reason", _i),
        ("phase", _i),
        ("trade", _i),
        ("bar", _i),  # 1: this call closed a bar
        ("z", _f),
        ("ratio", _f),
        ("delta", _f),
        ("cost", _f),
        ("benefit", _f),
        ("mid", _f, _legs),
        ("pos", _f, _legs),
        ("target", _f, _legs),
        ("order", _f, _legs),  # signed quantity to order now
        ("expected", _f, _legs),  # touch price that the order is decided on
        ("cancel", _i, _legs),  # 1: cancel what works on this leg
        ("limit", _f, _legs),  # price of the order; 0 at market
        ("naked", _f),
    ],
    align=True,
)
