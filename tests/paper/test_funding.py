"""Funding of perpetuals in whole sessions: booked exactly once, whatever happens in between, and part of every figure (L3)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from hedgekit.journal import Follower
from hedgekit.paper.session import BETWEEN
from hedgekit.types import Fill, Payment
from tests.paper.deribit_rig import PARAMS, PERPS, booked, deribit, empty, traded
from tests.paper.test_deribit_session import laws_hold

if TYPE_CHECKING:
    from pathlib import Path

    from hedgekit.types import Record
    from tests.paper.rig import Rig

PAYING = msgspec.structs.replace(PERPS, funding_primary=0.0002, funding_hedge=-0.0001, funding_s=3.0)
"""Funding every three seconds: dozens of payments, some of them between an execution and the news of it."""


def payments(rig: Rig) -> list[Payment]:
    with rig.journal() as journal:
        return [record for record in journal.records() if isinstance(record, Payment)]


def books_agree(rig: Rig) -> None:
    """Check every coin's balance against the exchange's, to the last digit, and that each payment stands in the journal once."""
    theirs, ours, paid = rig.ready["ledger"], booked(rig), payments(rig)
    assert {coin: Decimal(cash) for coin, cash in theirs["balances"].items()} == ours.balances
    assert len({one.key for one in paid}) == len(paid)
    laws_hold(rig)


@pytest.fixture(scope="module")
def unkilled(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return traded(tmp_path_factory.mktemp("funding"), market=PAYING)


def test_the_journal_has_the_venues_cash_with_funding(unkilled: Rig) -> None:
    paid = payments(unkilled)
    assert len(paid) > 20
    assert {one.coin for one in paid} == {"BTC", "ETH"}
    assert min(one.amount for one in paid) < 0 < max(one.amount for one in paid)
    books_agree(unkilled)


def test_performance_has_it_among_the_costs(unkilled: Rig) -> None:
    """By hand: coins times mark, summed, is what ledger, equity, trades and costs say."""
    paid = payments(unkilled)
    money = sum((one.amount * one.mark for one in paid), Decimal(0))
    with unkilled.journal() as journal:
        ledger, equity, trades = journal.ledger(), journal.equity(), journal.trades()
        fees = sum((record.fee * record.price for record in journal.records() if isinstance(record, Fill)), Decimal(0))
    assert (ledger.payments, ledger.fees) == (money, fees)
    last = equity.iloc[-1]
    told = sum(float(one.amount * one.mark) for one in paid if one.ts_ns <= equity.index[-1].value)
    assert last["funding_primary"] + last["funding_hedge"] == pytest.approx(-told)
    assert trades["funding"].sum() == pytest.approx(-float(money))
    assert last["hedged"] == pytest.approx(last["gross_primary"] + last["gross_hedge"] - last["cost_primary"] - last["cost_hedge"])
    assert trades["hedged"].sum() == pytest.approx(trades["gross_hedged"].sum() - trades[["cost_primary", "cost_hedge"]].to_numpy().sum())


def test_who_follows_the_journal_sees_the_same_money(unkilled: Rig) -> None:
    """Coins of an inverse perpetual, their fees, profit and funding, kept up to date record by record or all at once."""
    with unkilled.journal() as journal, Follower(unkilled.folder / "journal.db", journal.session) as follower:
        news = follower.poll(1_000_000)
        ledger, equity, fills = journal.ledger(), journal.equity(), journal.fills()
    now = news.standing
    assert (now.cash, now.fees, now.payments) == (ledger.cash, ledger.fees, ledger.payments)
    np.testing.assert_allclose([one.slippage for one in news.fills], fills["slippage"], atol=1e-9)
    for name in ("hedged", "unhedged"):  # one turns the coins of what closes into money at the fill's price, the other at the mid
        np.testing.assert_allclose(news.bars[name], equity[name], rtol=0, atol=1.0, err_msg=name)


@pytest.mark.parametrize(
    "kills",
    [
        (("session.received", 160), ("session.received", 3), ("session.received", 90)),
    ],
)
def test_killed_between_it_is_booked_once(kills: tuple[tuple[str, int], ...], tmp_path: Path) -> None:
    books_agree(traded(tmp_path, kills, market=PAYING))


TROUBLE = """[
{"kind":"drop_reply","at":"request:6"},{"kind":"unavailable_503","at":"request:9","count":3},{"kind":"too_many","at":"request:14","seconds":2},
{"kind":"hang_after","at":"request:20"},{"kind":"disconnect","at":"trade:8"},{"kind":"lost","at":"trade:12"},
{"kind":"skew","at":"row:100","seconds":-300,"count":40},{"kind":"outage","at":"row:200","seconds":20}
]"""


def test_with_lost_answers_and_sockets_and_a_venues_clock_that_is_off_it_is_booked_once(tmp_path: Path) -> None:
    rig = traded(tmp_path, [("session.received", 120)], market=PAYING, options=["--faults", TROUBLE], params={**PARAMS, "breaker_s": 10.0})
    assert len(payments(rig)) > 10
    books_agree(rig)


TWO = {"quick": PARAMS, "slow": {**PARAMS, "lookback": 40, "entry": 2.0}}


@pytest.mark.parametrize("kills", [(), ((BETWEEN, 120), ("session.received", 40), (BETWEEN, 60))], ids=["unkilled", "killed"])
def test_two_pairs_of_an_account_share_what_it_pays(kills: tuple[tuple[str, int], ...], tmp_path: Path) -> None:
    """Each payment is booked once in each journal, and the shares add up to what the exchange has booked: by coin, to the last digit."""
    with deribit(tmp_path, PAYING) as rig:
        paths = [rig.config(name, params=params) for name, params in TWO.items()]
        for point, count in kills:
            assert rig.run(*paths, kill_at=point, count=count).returncode == -9
        done = rig.run(*paths)
        assert done.returncode == 0, done.stderr
        theirs = rig.ledger("quick", venue="DERIBIT")
    shares = {name: [one for one in told(rig, name) if isinstance(one, Payment)] for name in TWO}
    assert all(len({one.key for one in mine}) == len(mine) > 5 for mine in shares.values())
    both = {one.key for one in shares["quick"]} & {one.key for one in shares["slow"]}
    assert both, "no payment was shared"
    fills = {one.fill_id: one for name in TWO for one in told(rig, name) if isinstance(one, Fill)}
    ledger = empty()
    for fill_id in (line["execution_id"] for line in theirs["fills"]):
        ledger.post(fills.pop(fill_id))
    assert not fills
    for one in (one for mine in shares.values() for one in mine):
        ledger.balances[one.coin] += one.amount
    assert ledger.balances == {coin: Decimal(cash) for coin, cash in theirs["balances"].items()}


def told(rig: Rig, name: str) -> list[Record]:
    with rig.journal(name) as journal:
        journal.verify()
        return list(journal.records())
