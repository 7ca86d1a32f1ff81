"""Explorers in a real JupyterLab: keys and clicks of a person, and what is then on the page; one notebook for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hedgekit import ConfigError, DataError, Params, SyntheticBinary, SyntheticMarket, load_sample, metrics, run_backtest, screen, sweep
from hedgekit.stats import ratio
from hedgekit.trials import count
from hedgekit.widgets import BacktestExplorer, ScreenTable, SignalExplorer, StructureExplorer
from tests.lab import LabPage

TIMES = {"bar_s": 60, "bar_offset_s": 1, "fit_bars": 250, "evidence_override": "A test on a planted market."}
MARKET = SyntheticMarket(rows=1_500, seed=3, row_s=60.0)

CELL = f"""
from hedgekit import Params, SyntheticMarket
from hedgekit.widgets import *
import hedgekit.widgets as widgets
market = SyntheticMarket(rows=1_500, seed=3, row_s=60.0)
params = Params.make(**{TIMES!r})
"""


FIELD = (
    "[...document.querySelectorAll('.hk-explorer .widget-text')].find(t => t.innerText.trim() === '{name}')?.querySelector('input')?.value"
)


SCREEN = """
from hedgekit import load_sample, screen
panel = ScreenTable(screen(load_sample("eq_daily").iloc[-700:], progress=False))
panel
"""


def column(source: str, name: str) -> str:
    """Return JavaScript for a column that is on the page; undefined points are null."""
    models = "[...(window.Bokeh?.documents?.at(-1)?._all_models?.values() ?? [])]"
    return f"[...({models}.find(m => m.name === '{source}')?.data?.['{name}'] ?? [])].map(v => Number.isFinite(v) ? v : null)"


def press(page: LabPage, slider: str, key: str, times: int = 1) -> None:
    """Press a key on a slider's handle, found by its role and name as a screen reader finds it."""
    page.page.get_by_role("slider", name=slider, exact=True).focus()
    for _ in range(times):
        page.page.keyboard.press(key)


def type_in(page: LabPage, name: str, text: str) -> None:
    """Type a number into the field beside a slider."""
    field = page.page.locator(f".widget-text:has(label:text-is('{name}')) input")
    field.fill(text)
    field.press("Enter")


def says(page: LabPage, text: str) -> None:
    """Wait until the panel's line has these words."""
    page.until(f"document.querySelector('.hk-explorer')?.innerText.includes({json.dumps(text)})", timeout_ms=20_000)


def chosen(page: LabPage, names: str) -> Any:
    """Return what the kernel's panel says is chosen."""
    return json.loads(page.execute(f"import json; p = panel.papermill; print(json.dumps([p[n] for n in {names.split()!r}]))"))


def opened(notebook: Callable[..., LabPage], last: str) -> LabPage:
    page = notebook([CELL + last], height=800)
    page.run_all()
    page.until("window.Bokeh?.documents?.length === 1 && Bokeh.documents[0].is_idle")
    return page


def test_signal(notebook: Callable[..., LabPage]) -> None:
    """A key on a slider, a number typed, a number refused; z on the page is that of a backtest with the numbers that are chosen."""
    page = opened(notebook, "panel = SignalExplorer(market, params)\npanel")
    for z in (run_backtest(MARKET.tape(), Params.make(**TIMES)).tables.equity["z"],):
        assert page.js(column("z", "z")) == [None if np.isnan(value) else value for value in z]
    before = page.js("JSON.stringify(document.querySelector('.hk-explorer .hedgekit-live').getBoundingClientRect())")
    press(page, "lookback", "ArrowRight", 3)
    page.until(f"{FIELD.format(name='lookback')} === '23'")
    done = run_backtest(MARKET.tape(), Params.make(**TIMES, lookback=23)).tables
    z = [None if np.isnan(value) else value for value in done.equity["z"]]
    page.until(f"JSON.stringify({column('z', 'z')}) === {json.dumps(json.dumps(z, separators=(',', ':')))}")
    assert chosen(page, "lookback entry") == [23, 2.0]
    entries = sorted([*page.js(column("mark0", "z"))[1:], *page.js(column("mark1", "z"))[1:]])
    assert entries == sorted(done.trades["z_entry"])
    says(page, f"{len(done.trades):,} trades")
    type_in(page, "entry", "20")
    says(page, "entry=20.0: must be 0.1 to 10 sd (A1)")
    assert "ConfigError" in page.execute("try:\n    panel.params\nexcept Exception as error:\n    print(type(error).__name__)")
    assert page.js(column("z", "z")) == z, "the plots stay"
    assert "Traceback" not in page.output(0)
    type_in(page, "entry", "2.75")
    says(page, "trades")
    page.until(f"Math.abs({column('z', 'z')}.length - {len(z)}) < 1")
    assert chosen(page, "lookback entry") == [23, 2.75]
    spans = "[...Bokeh.documents[0]._all_models.values()].filter(m => m.type === 'Span' && m.dimension === 'width').map(m => m.location)"
    page.until(f"{spans}.includes(2.75) && {spans}.includes(-2.75)")
    assert page.js("JSON.stringify(document.querySelector('.hk-explorer .hedgekit-live').getBoundingClientRect())") == before, (
        "nothing has moved"
    )


def test_backtest(notebook: Callable[..., LabPage]) -> None:
    """P&L on the page is a backtest's, at executable prices; each variant that was looked at is counted, and said to be."""
    page = opened(notebook, "panel = BacktestExplorer(market, params, study='by hand')\npanel")
    says(page, "1 variant of by hand tried so far")
    press(page, "entry", "ArrowLeft", 2)
    page.until(f"{FIELD.format(name='entry')} === '1.96'")
    done = run_backtest(MARKET.tape(), Params.make(**TIMES, entry=1.96))
    for name in ("hedged", "unhedged"):
        page.until(f"Math.abs({column('money', name)}.at(-1) - {getattr(done.curves, name)[-1]}) < 1e-6")
    assert page.js(f"Math.min(...{column('money', 'fall_hedged')})") == pytest.approx(-metrics.max_drawdown(done.curves.hedged))
    says(page, "3 variants of by hand tried so far")
    press(page, "entry", "ArrowRight", 2)
    says(page, f"{len(run_backtest(MARKET.tape(), Params.make(**TIMES)).trades)} trades")
    page.page.locator(".hk-explorer select").first.select_option("unhedged")
    page.until(f"{column('money', 'hedged')}.at(-1) === {column('money', 'unhedged')}.at(-1)")
    says(page, "4 variants of by hand tried so far")
    assert chosen(page, "structure entry") == ["unhedged", 2.0]
    assert "drawdown ($)" in page.output(0)


def test_ratio(notebook: Callable[..., LabPage]) -> None:
    """The plans on the page are a backtest's; a method that is chosen is fitted on the last bars and says its interval."""
    page = opened(notebook, "panel = RatioExplorer(market, params)\npanel")
    assert chosen(page, "fit_bars refit_bars significance") == [250, 42, 0.05], "showing a slider moves nothing"
    press(page, "refit_bars", "ArrowLeft", 2)
    page.until(f"{FIELD.format(name='refit_bars')} === '40'")
    done = run_backtest(MARKET.tape(), Params.make(**TIMES, refit_bars=40)).tables
    page.until(f"{column('plans', 'ratio')}.length === {2 * len(done.plans)}")
    assert page.js(column("plans", "ratio"))[::2] == list(done.plans["ratio"])
    holds = done.plans["p_value"] < 0.05
    assert [len(page.js(column(name, "ratio"))) - 1 for name in ("holds", "fails")] == [holds.sum(), (~holds).sum()]
    page.page.locator(".hk-explorer select").first.select_option("dols")
    mids = done.equity[["mid_primary", "mid_hedge"]].to_numpy()
    low, high = ratio.dols(mids[:, 0], mids[:, 1], window=250).interval()
    says(page, f"{low:.4f} to {high:.4f}")
    press(page, "significance", "ArrowRight")
    page.until(f"{FIELD.format(name='significance')} === '0.052'")
    assert chosen(page, "refit_bars significance") == [40, 0.052]
    assert "dollar per dollar" in page.output(0)
    type_in(page, "fit_bars", "29")
    says(page, "fit_bars=29: must be 30 to 1e+06 bars (A4)")


def test_structure(notebook: Callable[..., LabPage]) -> None:
    """The position is what a session would hold; a structure that needs a number says which."""
    page = opened(notebook, "panel = StructureExplorer(market, params)\npanel")
    says(page, "of hedge for each $ of primary")
    selects = page.page.locator(".hk-explorer select")
    selects.first.select_option("synthetic")
    says(page, "synthetic: -0.15")
    press(page, "hedge_frac", "ArrowRight", 3)
    says(page, "synthetic: -0.18")
    alone, still = (page.js(column("payoff", name)) for name in ("alone", "still"))
    assert alone == still, "a hedge that stands still takes and gives nothing"
    assert max(page.js(column("payoff", "together"))) < max(alone), "it takes from the gain"
    selects.first.select_option("delta")
    selects.nth(1).select_option("digital")
    says(page, "delta_model='digital' needs it; write for example expiry=")
    selects.first.select_option("unhedged")
    says(page, "unhedged: +0.000 $")
    assert chosen(page, "structure hedge_frac") == ["unhedged", pytest.approx(0.18)]


INVERSE = """
from decimal import Decimal
from hedgekit import Instrument
from hedgekit.types import Kind
listed = (
    Instrument("ALPACA", "COIN", lot=Decimal("0.001")),
    Instrument("DERIBIT", "COIN-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.5"), multiplier=Decimal(10)),
)
prices = {"ratio": 1.0, "primary_price": 5_000.0, "hedge_price": 5_000.0}
spot = SyntheticMarket(rows=1_500, seed=4, row_s=60.0, listed=listed, funding_hedge=0.0001, funding_s=28_800.0, **prices)
panel = StructureExplorer(spot, params.model_copy(update={"structure": "delta", "delta_model": "linear", "notional": 100_000.0}))
panel
"""


def test_an_inverse_perpetual_is_told_in_dollars_and_coin(notebook: Callable[..., LabPage]) -> None:
    """A contract is $10 whatever the price; sold, it loses less coin in a rise than it gains in a fall; the short receives the funding."""
    page = opened(notebook, INVERSE)
    says(page, "delta: -1.000 $ of hedge for each $ of primary")
    says(page, "COIN-PERPETUAL: a contract is $10 at any price; its profit is paid in coin")
    says(page, "funding at the tape's last rate, +0.0100% every 8 h: this position receives $10.00 (")
    quantity, mid, value, coin = json.loads(page.execute("import json; print(json.dumps(list(panel.position.iloc[1, 1:])))"))
    assert (quantity, value) == (-10_000.0, -100_000.0)
    assert coin == pytest.approx(-100_000.0 / mid)
    moves, inverse, linear = (page.js(column("coin1", name)) for name in ("x", "inverse", "linear"))
    assert (moves[0], moves[-1]) == (pytest.approx(-30.0), pytest.approx(30.0))
    assert inverse[-1] == pytest.approx(-100_000.0 * (1 / mid - 1 / (1.3 * mid)))
    assert inverse[0] == pytest.approx(-100_000.0 * (1 / mid - 1 / (0.7 * mid)))
    assert linear[0] == pytest.approx(0.3 * 100_000.0 / mid)
    row = page.js("[...document.querySelectorAll('.hk-explorer tbody tr')].find(r => r.innerText.includes('COIN-PERPETUAL')).innerText")
    assert row.split("\t")[1:4] == ["hedge", "sell", "10,000"]
    assert row.split("\t")[5:] == ["-100,000", f"{coin:.6f}"]


def test_screen(notebook: Callable[..., LabPage]) -> None:
    """A heading sorts, arrow keys and clicks choose, the spread follows, and the notebook's own keys stay out of it."""
    page = opened(notebook, SCREEN)
    found = screen(load_sample("eq_daily").iloc[-700:], progress=False)
    rows = page.page.locator(".hk-table tbody tr")
    assert rows.count() == found.tried
    page.page.get_by_role("button", name="half-life (bars)").click()
    page.page.get_by_role("button", name="half-life (bars) ▼").click()
    shown = [text.split("\t")[7] for text in page.js("[...document.querySelectorAll('.hk-table tbody tr')].map(r => r.innerText)")]
    known = [float(text.replace(",", "")) for text in shown if text != "none"]
    assert known == sorted(known)
    assert shown == [*shown[: len(known)], *["none"] * (len(shown) - len(known))]
    rows.nth(2).click()
    page.page.keyboard.press("ArrowDown")
    pair = page.js("document.querySelector('.hk-table tr[aria-selected=true]').innerText").split("\t")[:2]
    assert page.js("[...document.querySelectorAll('.hk-table tbody tr')].findIndex(r => r.getAttribute('aria-selected') === 'true')") == 3
    says(page, f"{pair[0]} on {pair[1]}: {found.row(*pair)['says'][:40]}")
    assert page.execute("print(*panel.pair)") == " ".join(pair)
    prices = found.prices[pair[1]]
    page.until(f"Math.abs({column('pair', 'hedge')}.at(-1) - {100 * prices.iloc[-1] / prices.iloc[0]}) < 1e-9")


# ------------------------------------------------------- without a notebook


def test_a_variant_looked_at_and_swept_is_one_trial(tmp_path: Path) -> None:
    explorer = BacktestExplorer(MARKET, TIMES, study="one", ledger=tmp_path / "trials.db")
    explorer.set(entry=1.9)
    sweep(MARKET.tape(), {"entry": [1.9, 2.0, 2.1]}, TIMES, study="one", ledger=tmp_path / "trials.db", progress=False)
    assert count("one", where=tmp_path / "trials.db") == 3


def test_the_choice_is_checked_and_is_what_a_backtest_takes() -> None:
    explorer = SignalExplorer(MARKET, TIMES)
    explorer.set(entry=1.8, signal="s-score")
    assert explorer.params == Params.make(**TIMES, entry=1.8, signal="s-score")
    assert Params.make(**json.loads(json.dumps(explorer.papermill))) == explorer.params
    with pytest.raises(ConfigError, match="target < entry < stop"):
        explorer.set(target=1.9)
    with pytest.raises(ConfigError, match="target < entry < stop"):
        _ = explorer.params
    explorer.set(target=0.0)
    assert explorer.params.target == 0.0
    with pytest.raises(ConfigError, match="did you mean 'entry'"):
        explorer.set(entri=2.0)
    with pytest.raises(ConfigError, match="'bar_s' has no control here; there are: signal, lookback"):
        explorer.set(bar_s=30.0)
    assert repr(explorer).startswith("<SignalExplorer: signal='s-score', lookback=20, entry=1.8, target=0.0")


def test_what_cannot_be_explored_is_refused() -> None:
    with pytest.raises(DataError, match=r"none fits rows 60 s apart; write bar_s=60, bar_offset_s=1$"):
        SignalExplorer(MARKET, {"bar_offset_s": 30})
    with pytest.raises(ConfigError, match="DataFrame cannot be explored: give a Tape, or a market"):
        SignalExplorer(run_backtest(MARKET.tape(), Params.make(**TIMES)).trades)
    with pytest.raises(ConfigError, match="no parameter 'entri' to make a control of"):
        SignalExplorer(MARKET, TIMES, names=("entri",))


def test_a_capped_loss_is_capped_and_costs_the_gain() -> None:
    """NO bought against YES by ``loss_cap``: if YES resolves to 0 the two lose the cap, and if it resolves to 1 as much is missing."""
    pair = SyntheticBinary(rows=600, rho=-1.0, p_primary=0.5, p_hedge=0.5, half_spread=0.001, tick="0.001", seed=2, size_notional=1e6)
    numbers = TIMES | {"structure": "synthetic", "loss_cap": 200.0, "notional": 1_000.0, "slippage_buffer": 0.0}
    explorer = StructureExplorer(pair, numbers)
    payoff = explorer.plot._sources["payoff"].data
    price, alone, together = (np.asarray(payoff[name]) for name in ("x", "alone", "together"))
    lost, won = (np.polyval(np.polyfit(price, together, 1), at) for at in (0.0, 1.0))
    assert np.polyval(np.polyfit(price, alone, 1), 0.0) == pytest.approx(-1_000.0, abs=1.0)
    assert lost == pytest.approx(-200.0, abs=5.0)
    assert won / np.polyval(np.polyfit(price, alone, 1), 1.0) == pytest.approx(0.2, abs=0.01), "the gain is cut as the loss is"


def test_a_pair_is_chosen_from_code_and_planned() -> None:
    found = screen(load_sample("eq_daily").iloc[-700:], progress=False)
    table = ScreenTable(found)
    pair = tuple(found.table.iloc[3][["primary", "hedge"]])
    table.choose(*pair)
    assert (table.pair, table.papermill) == (pair, {"primary": pair[0], "hedge": pair[1]})
    assert table.plan(override="A test of the table.") == found.plan(*pair, override="A test of the table.")
    with pytest.raises(DataError, match="is not among the"):
        table.choose(pair[0], "GOLD")
