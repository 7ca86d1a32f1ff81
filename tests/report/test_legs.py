"""A session of more than two instruments: a basket is judged by all its hedges, and an instrument that stands in is none of them."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from hedgekit.journal import Journal
from hedgekit.report import Session, act, load, sections
from hedgekit.stats.reversion import engle_granger
from hedgekit.types import Decision, Instrument, PlanRevised, Record, SessionStarted
from tests.report import made

THIRD = Instrument("ELSEWHERE", "XYZ")


def _third(mids: tuple[float | None, ...]) -> tuple[float | None, ...]:
    """Return mids with those of a third leg that holds what the hedge lacks: with it the pair is nearly cointegrated."""
    one, two = mids[:2]
    return (one, two, None if one is None or two is None else one**2 / two * (1 + 0.01 * math.sin(100 * one)))


def session(path: Path, stand_in: str) -> Session:
    """Return the made session, rewritten as one of three instruments."""

    def other(record: Record) -> Record:
        match record:
            case SessionStarted():
                params = dict(record.params) | {"stand_in": stand_in}
                return msgspec.structs.replace(record, instruments=(*record.instruments, THIRD), params=params)
            case Decision():
                held = {"positions": (*record.positions, 0.0), "targets": (*record.targets, 0.0)}
                return msgspec.structs.replace(record, mids=_third(record.mids), **held)
            case PlanRevised() if stand_in == "none":
                return msgspec.structs.replace(record, plan=msgspec.structs.replace(record.plan, others=(0.5,)))
        return record

    with Journal.open(path, "made", mode="write") as journal:
        for number, instant in enumerate(made.records(made.Market(first="1990-01-02", last="1990-12-31")), start=1):
            for record in instant:
                journal.append(other(record))
            journal.commit(number)
    return load(path, "made")


@pytest.fixture(scope="module")
def basket(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return session(tmp_path_factory.mktemp("basket") / "j.db", "none")


@pytest.fixture(scope="module")
def stood_in(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return session(tmp_path_factory.mktemp("stand") / "j.db", "hedge")


def test_a_basket_is_judged_by_all_its_hedges(basket: Session) -> None:
    mids = basket.equity[["mid_primary", "mid_hedge", "mid_hedge_2"]].to_numpy()
    assert basket.evidence == engle_granger(mids[:, 0], mids[:, 1:])
    assert basket.evidence.p_value != engle_granger(mids[:, 0], mids[:, 1]).p_value


def test_a_basket_is_named_by_all_its_hedges_and_not_by_its_last(basket: Session) -> None:
    assert (basket.hedge, basket.hedges, basket.summary.hedge.symbol) == ("PEP", ("PEP", "XYZ"), "PEP")
    assert "KO hedged with PEP and XYZ" in sections.head(basket).data
    assert "The first hedge alone" in sections.evidence(basket).data
    assert act.next_steps(basket).data.count(act.BASKET) == 2  # neither ratio nor thresholds are guessed from one hedge


def test_what_stands_in_is_neither_hedge_nor_evidence(stood_in: Session, tmp_path: Path) -> None:
    assert (stood_in.hedge, stood_in.hedges, stood_in.summary.hedge.symbol) == ("PEP", ("PEP",), "PEP")
    assert "KO hedged with PEP<" in sections.head(stood_in).data
    plain = load(made.write(tmp_path / "j.db", made.Market(first="1990-01-02", last="1990-12-31")), "made")
    assert stood_in.evidence == plain.evidence
