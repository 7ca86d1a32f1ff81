"""Controls made of validated parameters: a slider for what is usual, a field for anything allowed, the rule and the meaning below.

Nothing is typed in here twice: name, range, unit, rule number and help text are those of :class:`hedgekit.params.Params`. The slider
spans the usual range and is widened by a value outside it; what the field takes is not clipped but checked, and refused in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from html import escape
from typing import Any, Literal, get_args, get_origin

import ipywidgets as w

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.widgets.panes import words

STEPS = 40
"""A slider has about so many steps."""

LABEL, SLIDER, FIELD, BOTH = "112px", "216px", "76px", "296px"
SMALL = "font:11px/1.3 var(--jp-ui-font-family,sans-serif);color:var(--jp-ui-font-color2,#555)"

CHOSEN = 0.49
"""A slider's move is a person's from this share of a step on."""

WIDE = 1_000.0
"""A range without usual values that is wider has a field only."""

Changed = Callable[[str, Any], None]


class Control:
    """One parameter as a person sets it.

    Parameters
    ----------
    name : str
        Of :class:`~hedgekit.params.Params`.
    value
        Where it begins.
    changed : callable
        Told the name and the new value when a person has moved it, on whatever thread the message came.

    Attributes
    ----------
    value
        Where it stands, allowed or not.

    Raises
    ------
    ConfigError
        If there is no such parameter.
    """

    def __init__(self, name: str, value: Any, changed: Changed) -> None:  # noqa: ANN401 - a parameter's value
        field = Params.model_fields.get(name)
        if field is None:
            msg = f"no parameter {name!r} to make a control of; there are: {', '.join(Params.model_fields)}"
            raise ConfigError(msg)
        low, high, unit, rule = Params.range_of(name)
        self.name, self.value, self._changed, self._quiet = name, value, changed, False
        self._whole, self._low, self._high = field.annotation is int, low, high
        self.help = ", ".join(part for part in (rule, unit) if part) + f": {field.description}"
        allowed = "" if low is None or high is None else f" ({low:g} to {high:g})"
        self._tip = f"{self.help}{allowed}"
        self._slider: w.Widget | None = None
        if low is not None and high is not None:
            self._field = self._numbers(value, low, high)
        elif get_origin(field.annotation) is Literal:
            self._field = w.Dropdown(options=list(get_args(field.annotation)), value=value)
        else:
            self._field = w.Text(value=value or "", continuous_update=False)
        self._field.tooltip = f"{name}. {self._tip}"
        self._field.observe(self._on_field, "value")
        self.box = self._box()

    def _numbers(self, value: float, low: float, high: float) -> w.Widget:
        """Return a field, with a slider beside it unless the range is so wide that no place on a slider means anything."""
        extra: Any = Params.model_fields[self.name].json_schema_extra
        usual = extra["usual"]
        slider, field = (w.IntSlider, w.IntText) if self._whole else (w.FloatSlider, w.FloatText)
        if usual == [low, high] and high - low > WIDE:
            return field(value=value, continuous_update=False)
        low, high = min(usual[0], value), max(usual[1], value)
        step = max(_nice((high - low) / STEPS), 1 if self._whole else 0.0)
        self._slider = slider(value=value, min=low, max=high, step=step, readout=False, tooltip=f"{self.name}. {self._tip}")
        self._slider.observe(self._on_slider, "value")
        return field(value=value, step=step, continuous_update=False)

    def _box(self) -> w.Widget:
        parts = [self._field] if self._slider is None else [self._slider, self._field]
        for part in parts:  # the field's own label takes no room: it names the field for a screen reader
            part.description, part.style = self.name, {"description_width": LABEL if part is parts[0] else "0px"}
        for part, width in zip(parts, (SLIDER, FIELD) if len(parts) > 1 else (BOTH,), strict=True):
            part.layout = w.Layout(width=width, margin="2px 4px 0 0")
        small = f'<div style="{SMALL}">{escape(self.help)}</div>'
        return w.VBox([w.HBox(parts), w.HTML(small, layout=w.Layout(margin="0 0 4px 0", width=BOTH))])

    # ---------------------------------------------------------------- a person

    def _on_slider(self, change: Any) -> None:  # noqa: ANN401 - traitlets' bunch
        """Take a move of at least half a step: the browser answers a value between two steps with the nearer one, which no person chose."""
        new = change["new"] if self._whole else round(change["new"], 10)
        if not self._quiet and abs(new - self.value) >= CHOSEN * self._slider.step:  # type: ignore[union-attr] # it is the slider's own
            self._changed(self.name, new)

    def _on_field(self, change: Any) -> None:  # noqa: ANN401 - as above
        if not self._quiet:
            value = change["new"]
            self._changed(self.name, (value or None) if isinstance(self._field, w.Text) else value)

    # --------------------------------------------------------------- the panel

    def show(self, value: Any) -> None:  # noqa: ANN401 - a parameter's value
        """Show a value, without telling that it changed."""
        self.value, self._quiet = value, True
        try:
            if self._slider is not None and self._low <= value <= self._high:
                self._slider.min, self._slider.max = min(self._slider.min, value), max(self._slider.max, value)
                self._slider.value = value
            shown = "" if value is None else value
            if self._field.value != shown:
                self._field.value = shown
        finally:
            self._quiet = False


def _nice(raw: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is not above."""
    if not raw > 0.0:
        return 0.1
    power = 10.0 ** math.floor(math.log10(raw) + 1e-9)
    return next(power * times for times in (5, 2, 1) if power * times <= raw * (1 + 1e-9))


def message(text: str, *, wrong: bool = False) -> str:
    """Return a line for the panel; what is wrong is said in words and stands out."""
    kind, role = ("wrong", "alert") if wrong else ("said", "status")
    look = "color:var(--jp-error-color1,#c00);font-weight:600" if wrong else ""
    return words.page(f'<div class="{kind}" role="{role}" style="{look}">{escape(text)}</div>', "message")
