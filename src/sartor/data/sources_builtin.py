"""Built-in data: small real sets that scikit-learn brings along, so nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sartor.data.rows import Rows


def _digits() -> Rows:
    """1,797 handwritten digits, (n, 1, 8, 8) float32 from 0 to 16."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return Rows(found.images[:, np.newaxis].astype(np.float32), found.target)


def _breast_cancer() -> Rows:
    """569 tumours, (n, 30) float32; class 0 is malignant, as scikit-learn numbers them."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    classes = tuple(str(name) for name in found.target_names)
    return Rows(found.data.astype(np.float32), np.array(classes)[found.target], classes=classes)


BUILTIN: dict[str, Callable[[], Rows]] = {"breast-cancer": _breast_cancer, "digits": _digits}
