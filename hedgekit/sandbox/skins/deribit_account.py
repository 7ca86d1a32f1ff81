"""What the account holds, in Deribit's words: positions and a summary for each currency. Margins are the exchange's own."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hedgekit.exchange.model import EXACT
from hedgekit.sandbox.skins.deribit_wire import LEVERAGE, MARGIN, amount, listed, num, shown, symbol_of

if TYPE_CHECKING:
    from hedgekit.exchange.engine import Exchange
    from hedgekit.sandbox.skins.deribit_limits import Limits

ZERO = Decimal(0)


class Account:
    """The account of an exchange.

    Parameters
    ----------
    exchange : Exchange
        Whose.
    limits : Limits
        What it may ask.
    """

    def __init__(self, exchange: Exchange, limits: Limits) -> None:
        self._exchange, self._limits = exchange, limits

    @property
    def currencies(self) -> list[str]:
        """What something here settles in, the account's own first."""
        return list(self._exchange.ledger.balances)

    def _funding(self, key: str) -> Decimal:
        paid = [one.amount for one in self._exchange.ledger.bookings if one.what == "funding" and one.ref == key]
        return sum(paid, ZERO)

    def position(self, key: str) -> dict[str, object]:
        """Return a position, with its sign in ``size`` and ``size_currency``; one that is flat says zero."""
        exchange, ledger = self._exchange, self._exchange.ledger
        instrument, held = exchange.instruments[key], ledger.position(key)
        mark = exchange.marks.get(key, ZERO)
        contract = ledger.contracts[key]
        size = amount(instrument, held).copy_sign(held) if held else ZERO
        coins = size
        if instrument.inverse:
            coins = contract.notional(held, mark) if held else ZERO
        notional = abs(contract.notional(held, mark)) if held else ZERO
        floating, realised = ledger.unrealised(key, mark) if held else ZERO, ledger.profit(key)
        working = [state.leaves for state in exchange.orders() if state.leaves and state.request.instrument == key]
        waiting = contract.notional(sum(working, ZERO), mark) if working and mark else ZERO
        entry = ledger.entry(key)
        return {
            "total_profit_loss": num(floating + realised),
            "size_currency": num(coins),
            "size": num(size),
            "settlement_price": num(mark),
            "realized_profit_loss": num(realised),
            "realized_funding": num(self._funding(key)),
            "open_orders_margin": shown(abs(waiting) * MARGIN.initial),
            "mark_price": num(mark),
            "maintenance_margin": shown(notional * MARGIN.maintenance),
            "leverage": LEVERAGE,
            "kind": "future",
            "interest_value": ZERO,
            "instrument_name": instrument.symbol,
            "initial_margin": shown(notional * MARGIN.initial),
            "index_price": num(mark),
            "floating_profit_loss": num(floating),
            "estimated_liquidation_price": None,
            "direction": "buy" if held > 0 else "sell" if held < 0 else "zero",
            "delta": num(coins),
            "average_price": ZERO if entry is None else shown(entry),
        }

    def summary(self, currency: str, *, extended: bool = False) -> dict[str, object]:
        """Return the account in a currency; zeros in one that nothing here settles in."""
        exchange, ledger = self._exchange, self._exchange.ledger
        keys = [key for key in exchange.instruments if listed(symbol_of(key)).settle == currency]
        positions = [self.position(key) for key in keys]
        told = exchange.summary(currency) if currency in ledger.balances else None
        sums = {
            name: num(sum((Decimal(str(one[name])) for one in positions), ZERO))
            for name in ("floating_profit_loss", "realized_profit_loss", "realized_funding", "delta")
        }
        equity, balance, free = (told.equity, told.cash, max(told.available, ZERO)) if told else (ZERO, ZERO, ZERO)
        initial, maintenance = (told.initial, told.maintenance) if told else (ZERO, ZERO)
        return {
            "currency": currency,
            "balance": num(balance),
            "equity": num(equity),
            "margin_balance": num(equity),
            "available_funds": num(free),
            "available_withdrawal_funds": num(min(free, max(balance, ZERO))),
            "initial_margin": shown(initial),
            "maintenance_margin": shown(maintenance),
            "projected_initial_margin": shown(initial),
            "projected_maintenance_margin": shown(maintenance),
            "delta_total": sums["delta"],
            "projected_delta_total": sums["delta"],
            "total_pl": num(EXACT.add(sums["floating_profit_loss"], sums["realized_profit_loss"])),
            "session_upl": sums["floating_profit_loss"],
            "session_rpl": sums["realized_profit_loss"],
            "session_funding": sums["realized_funding"],
            "futures_pl": num(EXACT.add(sums["floating_profit_loss"], sums["realized_profit_loss"])),
            "futures_session_upl": sums["floating_profit_loss"],
            "futures_session_rpl": sums["realized_profit_loss"],
            **dict.fromkeys(("options_pl", "options_session_upl", "options_session_rpl", "options_value"), ZERO),
            **dict.fromkeys(("options_delta", "options_gamma", "options_theta", "options_vega"), ZERO),
            "fee_balance": ZERO,
            "spot_reserve": ZERO,
            "additional_reserve": ZERO,
            "portfolio_margining_enabled": False,
            "cross_collateral_enabled": False,
            "margin_model": "segregated_sm",
            "limits": {
                "limits_per_currency": False,
                "non_matching_engine": {"burst": 100, "rate": 20},
                "matching_engine": {"trading": {"total": self._rates()}, **self._rates()},
            },
            **(self._extended(currency) if extended else {}),
        }

    def _rates(self) -> dict[str, object]:
        return {"burst": self._limits.burst, "rate": num(Decimal(self._limits.per_minute) / 60)}

    def _extended(self, currency: str) -> dict[str, object]:
        keys = [key for key in self._exchange.instruments if listed(symbol_of(key)).settle == currency]
        rates = {self._exchange.instruments[key].fees.rate for key in keys}
        fees = [
            {"currency": currency, "instrument_type": "perpetual", "fee_type": "relative", "maker_fee": ZERO, "taker_fee": num(rate)}
            for rate in sorted(rates)[-1:]
        ]
        return {"id": 1, "type": "main", "username": "sandbox", "system_name": "sandbox", "email": "", "fees": fees}
