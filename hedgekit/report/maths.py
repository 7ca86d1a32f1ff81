"""Mathematics in prose, from TeX to MathML: no script, no font, no network."""

from __future__ import annotations

import html
import re

_SAFE = re.compile(r"<(?!/?m[a-z]+[\s>/])")
"""An element that is no MathML; a link is none either."""


def mathml(tex: str, *, block: bool = False) -> str:
    """Return TeX as MathML; what cannot be read stays as its source, marked.

    Parameters
    ----------
    tex : str
        Without its dollar signs.
    block : bool
        On a line of its own.
    """
    from latex2mathml.converter import convert  # noqa: PLC0415 - a page without mathematics does not need it

    try:
        made = convert(tex.strip(), display="block" if block else "inline")
    except Exception:  # noqa: BLE001 - the converter has no error of its own, and a formula must not cost the page
        made = ""
    if not made or _SAFE.search(made) or "href" in made:
        return f'<code class="hk-tex">{html.escape(tex)}</code>'
    return made
