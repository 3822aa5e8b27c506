"""Write `table.csv`: 100 rows of ten numbers; the first three decide the class."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def main() -> None:
    """The same table every time."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(1000, 10))
    sums = rows[:, :3].sum(axis=1)
    clear = np.abs(sums) > 1  # a hundred rows teach nothing about those on the border
    chosen = [*np.flatnonzero(clear & (sums > 0))[:50], *np.flatnonzero(clear & (sums < 0))[:50]]
    names = [*(f"x{number}" for number in range(10)), "side"]
    lines = [
        ",".join([*(f"{value:.3f}" for value in rows[row]), "above" if sums[row] > 0 else "below"])
        for row in random.permutation(chosen)
    ]
    Path(__file__).with_name("table.csv").write_text("\n".join([",".join(names), *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
