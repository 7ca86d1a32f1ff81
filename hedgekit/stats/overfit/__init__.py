"""Is the best of many trials more than luck? The over-fitting guard, its parts, and splits that do not leak.

- :func:`guard` looks at the returns of every trial and says in one sentence whether the chosen one survives;
- :func:`pbo` is the chance that choosing the best in sample gives a loser out of sample (CSCV);
- :func:`spa` asks whether any trial beats a benchmark (Hansen's studentised test, White's reality check beside it);
- :func:`independent_trials` counts how many of the trials really differ;
- :func:`walk_forward`, :func:`splits`, :func:`paths` and :func:`assemble` are purged, embargoed walk-forward, K-fold and CPCV.

Returns are rows of bars (or of trades that all trials had at the same times), one column for each trial, oldest first, net of cost.
Every trial counts, also one that was thrown away.
"""

from __future__ import annotations

from hedgekit.stats.overfit.cscv import Pbo, pbo
from hedgekit.stats.overfit.folds import Fold, assemble, paths, splits, walk_forward
from hedgekit.stats.overfit.guard import Finding, Guard, guard
from hedgekit.stats.overfit.likeness import Independent, independent_trials
from hedgekit.stats.overfit.spa import Spa, spa

__all__ = [
    "Finding",
    "Fold",
    "Guard",
    "Independent",
    "Pbo",
    "Spa",
    "assemble",
    "guard",
    "independent_trials",
    "paths",
    "pbo",
    "spa",
    "splits",
    "walk_forward",
]
