"""The Kalman filter of a walking hedge ratio by pykalman or filterpy, run by the interpreter of the peers' own environment.

    python -m tests.perf.peers.by_kalman pykalman | filterpy MADE.npz ROUNDS OUT.npz

``MADE`` holds y, x (shape (bars,)) and q, r, b0, p0; ``OUT`` gets the filtered ratios and the seconds of each round.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np


def by_pykalman(  # noqa: PLR0913 - the model's numbers
    y: np.ndarray, x: np.ndarray, q: float, r: float, b0: float, p0: float
) -> np.ndarray:
    """Return the filtered ratio; pykalman's initial state is the first bar's prediction."""
    from pykalman import KalmanFilter  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - in the peers' environment

    model = KalmanFilter(
        transition_matrices=[[1.0]],
        observation_matrices=x[:, None, None],
        transition_covariance=[[q]],
        observation_covariance=[[r]],
        initial_state_mean=[b0],
        initial_state_covariance=[[p0 + q]],
    )
    return np.asarray(model.filter(y)[0])[:, 0]


def by_filterpy(  # noqa: PLR0913 - as above
    y: np.ndarray, x: np.ndarray, q: float, r: float, b0: float, p0: float
) -> np.ndarray:
    """Return the filtered ratio, one bar after the other, as filterpy wants it."""
    from filterpy.kalman import KalmanFilter  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - as above

    model: Any = KalmanFilter(dim_x=1, dim_z=1)
    model.x, model.P, model.F = np.array([[b0]]), np.array([[p0]]), np.eye(1)
    model.Q, model.R = np.array([[q]]), np.array([[r]])
    out = np.empty(len(y))
    for t in range(len(y)):
        model.predict()
        model.update(y[t], H=np.array([[x[t]]]))
        out[t] = model.x[0, 0]
    return out


def main() -> None:
    """Work."""
    who, made, rounds, out = sys.argv[1:]
    with np.load(made) as found:
        y, x, numbers = found["y"], found["x"], [float(found[name]) for name in ("q", "r", "b0", "p0")]
    work = {"pykalman": by_pykalman, "filterpy": by_filterpy}[who]
    took = []
    ratio = work(y[:10], x[:10], *numbers)  # loads the library
    for _ in range(int(rounds)):
        began = time.perf_counter()
        ratio = work(y, x, *numbers)
        took.append(time.perf_counter() - began)
    np.savez(out, ratio=ratio, seconds=np.array(took))


if __name__ == "__main__":
    main()
