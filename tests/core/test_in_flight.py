"""Numbers that change while a session runs: in force from the command on, alike in every replay, refused where they may not."""

from __future__ import annotations

import pytest

from hedgekit.errors import ConfigError
from hedgekit.hedger import Hedger
from hedgekit.params import IN_FLIGHT, Params
from hedgekit.step.records import pack_params
from hedgekit.types import Action, Command, Reason
from tests.core.core_made import Desk, params


def changed(desk: Desk, **changes: float) -> None:
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="set", ref="r", changes=changes))


def test_thresholds_hold_from_the_command_on() -> None:
    """The same bars: at entry 2 the pair is entered; at entry 4, which was set before, it is not; at 2 again it is."""
    plain, told = Desk(lookback=10), Desk(lookback=10)
    for desk in (plain, told):
        desk.warm(9)
    changed(told, entry=4.0, stop=5.0)
    assert plain.bar(103.0).action is Action.OPEN
    held = told.bar(103.0)
    assert (held.action, held.reason) == (Action.HOLD, Reason.NO_SIGNAL)
    changed(told, entry=1.5)
    assert told.hedger.params.stop == 5.0
    assert told.bar(104.0).action is Action.OPEN


def test_an_open_trade_is_held_to_the_new_stop() -> None:
    desk = Desk(lookback=10, stop=6.0)
    desk.warm(9)
    for order in desk.bar(103.0).orders:
        desk.fill(order)
    assert desk.bar(103.0).reason is Reason.WAIT_TARGET
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="set", changes={"stop": 1.6, "entry": 1.5, "target": -3.0}))
    closed = desk.bar(106.0)
    assert (closed.action, closed.reason) == (Action.CLOSE, Reason.STOP)


def test_every_number_in_flight_reaches_the_core_and_nothing_else_moves() -> None:
    """All are changed at once: the flat record is that of a session started with them."""
    desk = Desk()
    new = {
        "entry": 1.7, "target": 0.2, "stop": 4.5, "time_stop": 3.0, "cooldown_bars": 7,
        "tolerance": 0.11, "interval_s": 9.0, "risk_aversion": 3.0, "horizon_bars": 21.0, "slippage_buffer": 0.001,
    }  # fmt: skip
    assert sorted(new) == sorted(IN_FLIGHT)
    desk.hedger.on(Command(ts_ns=desk.now_ns, name="set", changes=new))
    wanted = pack_params(Params.make(**(params().model_dump() | new)), desk.hedger.instruments)
    assert desk.hedger._p.tobytes() == wanted.tobytes()
    assert wanted.tobytes() != pack_params(params(), desk.hedger.instruments).tobytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"structure": "delta"}, r"structure='delta': cannot change while a session runs; these can: entry, target"),
        ({"lookback": 30}, "lookback=30: cannot change while a session runs"),
        ({"entry": 99.0}, r"entry=99.0: must be 0.1 to 10 sd \(A1\)"),
        ({"entry": 4.0}, "target=0.5, entry=4, stop=3.5: they must satisfy target < entry < stop"),
        ({"tolerence": 0.1}, "unknown parameter 'tolerence'; did you mean 'tolerance'"),
        ({"tolerance": float("nan")}, "tolerance=nan"),
        ({}, "nothing to change; these can"),
    ],
)
def test_what_may_not_be_changed_is_refused_and_nothing_moves(changes: dict[str, float], said: str) -> None:
    desk = Desk()
    before = desk.hedger._p.tobytes()
    with pytest.raises(ConfigError, match=said):
        desk.hedger.on(Command(ts_ns=1, name="set", changes=changes))
    assert desk.hedger._p.tobytes() == before


def test_a_refused_wish_changes_nothing() -> None:
    desk = Desk()
    before = desk.hedger._p.tobytes(), desk.hedger._s.tobytes()
    told = desk.hedger.on(Command(ts_ns=desk.now_ns, name="set", ref="r", refusal="entry=99: must be 0.1 to 10"))
    assert told.reason is Reason.NOTED
    assert (desk.hedger._p.tobytes(), desk.hedger._s.tobytes()) == before


def test_a_tick_that_changed_stays_when_numbers_do() -> None:
    """The venue's tick is no parameter: a set packs the instruments as they are now."""
    desk = Desk()
    desk.hedger._tick(0, desk.hedger.instruments[0].tick * 5)
    changed(desk, tolerance=0.2)
    assert desk.hedger._p["tick"][0] == pytest.approx(0.05)
    assert isinstance(desk.hedger, Hedger)
