"""Every 95% one-sided bound must cover at least 94%: by enumeration where possible, else by simulation.

A simulated share may miss 94% by two of its standard errors, no more.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from sartor.measure import _resampling, quantiles
from sartor.measure.quantiles import mean_bounds_of_launches, quantile_bounds, ratio_bounds
from sartor.measure.statistics import (
    Bounds,
    auc_bounds,
    macro_f1_bounds,
    paired_auc_drop_bounds,
    paired_drop_bounds,
    paired_macro_f1_drop_bounds,
    paired_rmse_increase_bounds,
    proportion_bounds,
    relative_drop_bounds,
    resampled_bounds,
    rmse_bounds,
)

Floats = NDArray[np.float64]
Simulate = Callable[[np.random.Generator], Bounds]
LEVEL = 0.94


def require_coverage(simulate: Simulate, truth: float, replays: int, seed: int = 0) -> None:
    generator = np.random.default_rng(seed)
    bounds = [simulate(generator) for _ in range(replays)]
    slack = 2.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / replays)
    low = float(np.mean([bound.low <= truth + 1e-12 for bound in bounds]))
    high = float(np.mean([bound.high >= truth - 1e-12 for bound in bounds]))
    print(f"coverage: low {low:.4f}, high {high:.4f} of {replays}")
    assert min(low, high) >= LEVEL - slack


# --- enumerated -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 40, 300])
def test_proportion_coverage_is_exact(n: int) -> None:
    bounds = [proportion_bounds(successes, n, 0.05) for successes in range(n + 1)]
    low, high = (np.array([getattr(bound, side) for bound in bounds]) for side in ("low", "high"))
    rate = np.linspace(0.002, 0.998, 400)[:, None]
    successes = np.arange(n + 1.0)
    choose = -special.betaln(n - successes + 1, successes + 1) - math.log(n + 1)
    weight = np.exp(choose + special.xlogy(successes, rate) + special.xlog1py(n - successes, -rate))
    assert ((low <= rate) * weight).sum(axis=1).min() >= 0.95 - 1e-9
    assert ((high >= rate) * weight).sum(axis=1).min() >= 0.95 - 1e-9


@pytest.mark.parametrize("n", [1, 6, 16])
def test_paired_drop_coverage_is_exact(n: int) -> None:
    """All outcomes of n rows against a triangle of (P(lost), P(gained)); ``low`` is the mirror image of ``high``."""
    cells = np.array([(lost, gained) for lost in range(n + 1) for gained in range(n + 1 - lost)], dtype=np.float64)
    high = np.array([paired_drop_bounds(int(lost), int(gained), n, 0.05).high for lost, gained in cells])
    rates = np.linspace(0.0, 1.0, 61)
    lost_rate, gained_rate = (grid.ravel()[:, None] for grid in np.meshgrid(rates, rates))
    inside = (lost_rate + gained_rate <= 1.0 + 1e-12)[:, 0]
    lost_rate, gained_rate = lost_rate[inside], gained_rate[inside]
    counts = np.column_stack((cells, n - cells.sum(axis=1)))
    chances = np.hstack((lost_rate, gained_rate, np.maximum(1.0 - lost_rate - gained_rate, 0.0)))
    choose = special.gammaln(n + 1) - special.gammaln(counts + 1).sum(axis=1)
    weight = np.exp(choose + special.xlogy(counts, chances[:, None, :]).sum(axis=2))
    covered = ((high >= lost_rate - gained_rate - 1e-12) * weight).sum(axis=1)
    assert covered.min() >= 0.95 - 1e-9


# --- simulated quality ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lost", "gained", "n"), [(0.04, 0.02, 200), (0.01, 0.0, 360), (0.02, 0.01, 2000)])
def test_paired_drop_coverage_at_larger_n(lost: float, gained: float, n: int) -> None:
    memory: dict[tuple[int, int], Bounds] = {}

    def simulate(generator: np.random.Generator) -> Bounds:
        b, c, _ = (int(count) for count in generator.multinomial(n, [lost, gained, 1 - lost - gained]))
        if (b, c) not in memory:
            memory[b, c] = paired_drop_bounds(b, c, n, 0.05)
        return memory[b, c]

    require_coverage(simulate, lost - gained, 1000 if n < 1000 else 150)


def test_relative_drop_coverage() -> None:
    memory: dict[tuple[int, ...], Bounds] = {}

    def simulate(generator: np.random.Generator) -> Bounds:
        counts = tuple(int(count) for count in generator.multinomial(25, [0.12, 0.04, 0.54, 0.30]))
        if counts not in memory:
            memory[counts] = relative_drop_bounds(counts[0], counts[1], counts[0] + counts[2], 25, 0.05)
        return memory[counts]

    require_coverage(simulate, 0.08 / 0.66, 600)


@pytest.mark.parametrize(
    ("positive", "negative", "shift"), [(15, 200, 1.0), (20, 20, 2.5), (100, 100, 1.5), (30, 60, 0.0)]
)
def test_auc_coverage(positive: int, negative: int, shift: float) -> None:
    labels = np.repeat([1, 0], [positive, negative])

    def simulate(generator: np.random.Generator) -> Bounds:
        return auc_bounds(labels, generator.normal(size=labels.size) + shift * labels, 0.05)

    require_coverage(simulate, normal_auc(shift), 4000)


@pytest.mark.parametrize(("after", "correlation"), [(1.5, 0.99), (1.1, 0.8), (1.5, 0.0)])
def test_paired_auc_drop_coverage(after: float, correlation: float) -> None:
    labels = np.repeat([1, 0], [60, 200])

    def simulate(generator: np.random.Generator) -> Bounds:
        noise = generator.normal(size=(2, labels.size))
        noise[1] = correlation * noise[0] + math.sqrt(1 - correlation**2) * noise[1]
        return paired_auc_drop_bounds(labels, noise[0] + 1.5 * labels, noise[1] + after * labels, 0.05)

    require_coverage(simulate, normal_auc(1.5) - normal_auc(after), 3000)


@pytest.mark.parametrize("failures", [2.9, 4.4, 5.2, 8.0])
def test_paired_auc_drop_covers_rare_failures(failures: float) -> None:
    """A candidate that ranks a rare kind of positive last: plain DeLong covers such a drop at far below 94%."""
    labels = np.repeat([1, 0], [100, 300])

    def simulate(generator: np.random.Generator) -> Bounds:
        scores = labels + 0.1 * generator.random(400)
        failed = (labels == 1) & (generator.random(400) < failures / 100)
        return paired_auc_drop_bounds(labels, scores, np.where(failed, -1.0, scores), 0.05)

    require_coverage(simulate, failures / 100, 3000)


def normal_auc(shift: float) -> float:
    return float(special.ndtr(shift / math.sqrt(2.0)))


CLASS_CASES = [(60, (0.7, 0.2, 0.1), (0.95, 0.8, 0.7)), (200, (0.34, 0.33, 0.33), (0.99, 0.98, 0.97))]


@pytest.mark.parametrize(("n", "prior", "hits"), CLASS_CASES)
def test_macro_f1_coverage(n: int, prior: tuple[float, ...], hits: tuple[float, ...]) -> None:
    confusion = confusion_rates(prior, hits)
    truth = macro_f1_of(confusion)

    def simulate(generator: np.random.Generator) -> Bounds:
        cell = generator.choice(confusion.size, size=n, p=confusion.ravel())
        return macro_f1_bounds(cell // 3, cell % 3, 3, 0.05)

    require_coverage(simulate, truth, 1000)


@pytest.mark.parametrize(("n", "prior", "hits"), CLASS_CASES)
def test_paired_macro_f1_drop_coverage(n: int, prior: tuple[float, ...], hits: tuple[float, ...]) -> None:
    before = confusion_rates(prior, hits)
    # The candidate turns 3% of the baseline's answers into the next class.
    turned = 0.97 * before + 0.03 * np.roll(before, 1, axis=1)
    truth = macro_f1_of(before) - macro_f1_of(turned)

    def simulate(generator: np.random.Generator) -> Bounds:
        cell = generator.choice(before.size, size=n, p=before.ravel())
        after = np.where(generator.random(n) < 0.03, (cell % 3 + 1) % 3, cell % 3)
        return paired_macro_f1_drop_bounds(cell // 3, cell % 3, after, 3, 0.05)

    require_coverage(simulate, truth, 1000)


def confusion_rates(prior: tuple[float, ...], hits: tuple[float, ...]) -> Floats:
    right = np.array(hits)[:, None]
    eye = np.eye(len(prior))
    return np.asarray(np.array(prior)[:, None] * (eye * right + (1 - eye) * (1 - right) / (len(prior) - 1)))


def macro_f1_of(confusion: Floats) -> float:
    support = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float((2 * np.diag(confusion) / support).mean())


def draw_errors(generator: np.random.Generator, n: int, shape: str) -> Floats:
    """Errors with RMSE 1."""
    if shape == "laplace":
        return np.asarray(generator.laplace(size=n) / math.sqrt(2.0))
    if shape == "student-5":
        return np.asarray(generator.standard_t(5, size=n) * math.sqrt(3.0 / 5.0))
    return generator.normal(size=n)


@pytest.mark.parametrize(("n", "shape"), [(40, "normal"), (40, "laplace"), (300, "laplace")])
def test_rmse_coverage(n: int, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resampling, "RESAMPLES", 199)
    require_coverage(lambda generator: rmse_bounds(draw_errors(generator, n, shape), 0.05), 1.0, 200)


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 300])
@pytest.mark.parametrize("shape", ["normal", "laplace", "student-5"])
def test_rmse_coverage_in_full(n: int, shape: str) -> None:
    require_coverage(lambda generator: rmse_bounds(draw_errors(generator, n, shape), 0.05), 1.0, 2000)


def rmse_increase(generator: np.random.Generator, n: int, shape: str) -> Bounds:
    before = draw_errors(generator, n, shape)
    after = 1.02 * (before + 0.3 * draw_errors(generator, n, shape)) / math.sqrt(1.09)
    return paired_rmse_increase_bounds(before, after, 0.05)


@pytest.mark.parametrize(("n", "shape"), [(40, "normal"), (100, "laplace")])
def test_rmse_increase_coverage(n: int, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resampling, "RESAMPLES", 199)
    require_coverage(lambda generator: rmse_increase(generator, n, shape), 0.02, 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "shape"), [(40, "normal"), (40, "laplace"), (300, "laplace"), (40, "student-5"), (300, "student-5")]
)
def test_rmse_increase_coverage_in_full(n: int, shape: str) -> None:
    require_coverage(lambda generator: rmse_increase(generator, n, shape), 0.02, 2000)


def mean_of_exponentials(generator: np.random.Generator) -> Bounds:
    values = generator.exponential(size=100)
    return resampled_bounds(lambda rows: float(values[rows].mean()), 100, 0.05)


def correlation_of_rows(generator: np.random.Generator) -> Bounds:
    x, noise = generator.normal(size=(2, 100))
    y = 0.6 * x + 0.8 * noise
    return resampled_bounds(lambda rows: float(np.corrcoef(x[rows], y[rows])[0, 1]), 100, 0.05)


def median_of_rows(generator: np.random.Generator) -> Bounds:
    values = generator.exponential(size=101)
    return resampled_bounds(lambda rows: float(np.median(values[rows])), 101, 0.05)


def test_resampled_coverage() -> None:
    require_coverage(mean_of_exponentials, 1.0, 100)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("simulate", "truth"),
    [(mean_of_exponentials, 1.0), (correlation_of_rows, 0.6), (median_of_rows, math.log(2.0))],
)
def test_resampled_coverage_in_full(simulate: Simulate, truth: float) -> None:
    require_coverage(simulate, truth, 1000)


# --- simulated latency ----------------------------------------------------------------------------------------

SPIKE_RATE, NOISE = 0.01, 0.03


def draw_launches(generator: np.random.Generator, spread: float, persistence: float) -> list[Floats]:
    """Five launches of 20 x 50 calls: lognormal launch effect, AR(1) noise inside, Pareto spikes on 1% of calls."""
    from scipy.signal import lfilter

    steps = generator.normal(size=(5, 1000))
    steps[:, 1:] *= math.sqrt(1.0 - persistence**2)
    noise = lfilter([1.0], [1.0, -persistence], steps, axis=1)
    spikes = (generator.random((5, 1000)) < SPIKE_RATE) * generator.pareto(3.0, (5, 1000))
    latency = np.exp(generator.normal(0.0, spread, (5, 1)) + NOISE * noise) * (1.0 + spikes)
    return list(1e-3 * latency.reshape(5, 20, 50))


def true_quantile(q: float, spread: float) -> float:
    """Quantile of the mixture over launches and calls, from two million independent calls."""
    generator = np.random.default_rng(99)
    base = generator.normal(0.0, math.hypot(spread, NOISE), 2_000_000)
    spikes = (generator.random(base.size) < SPIKE_RATE) * generator.pareto(3.0, base.size)
    return float(np.quantile(1e-3 * np.exp(base) * (1.0 + spikes), q))


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_latency_quantile_coverage(q: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "DRAWS", 199)
    truth = true_quantile(q, 0.05)
    require_coverage(lambda generator: quantile_bounds(draw_launches(generator, 0.05, 0.6), q, 0.05), truth, 80)


@pytest.mark.slow
@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize(("spread", "persistence"), [(0.02, 0.3), (0.02, 0.9), (0.05, 0.6), (0.1, 0.9)])
def test_latency_quantile_coverage_in_full(
    q: float, spread: float, persistence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantiles, "DRAWS", 199)
    truth = true_quantile(q, spread)
    simulate = lambda generator: quantile_bounds(draw_launches(generator, spread, persistence), q, 0.05)  # noqa: E731
    require_coverage(simulate, truth, 2000)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_pooled_order_statistics_cover_too_little(q: float) -> None:
    """Why the launch is the unit: treating pooled calls as independent misses the bar by far in the same setting."""
    truth = true_quantile(q, 0.05)
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        pooled = np.sort(np.concatenate(draw_launches(generator, 0.05, 0.6), axis=None))
        covered.append(quantiles._order_statistics(pooled, q, 0.05)[1] >= truth)
    assert np.mean(covered) < 0.8 < LEVEL


def test_ratio_coverage_with_correlated_pairs() -> None:
    def simulate(generator: np.random.Generator) -> Bounds:
        shared, baseline, candidate = generator.normal(0.0, 0.05, (3, 5, 1))
        noise = np.exp(NOISE * generator.normal(size=(2, 5, 41)))
        before = 1.25e-3 * np.exp(shared + 0.4 * baseline) * noise[0]
        return ratio_bounds(list(zip(before, 1e-3 * np.exp(shared + 0.4 * candidate) * noise[1], strict=True)), 0.05)

    require_coverage(simulate, 1.25, 3000)


def test_mean_of_launches_coverage() -> None:
    require_coverage(lambda generator: mean_bounds_of_launches(generator.normal(7, 1, 5).tolist(), 0.05), 7.0, 4000)


def test_percentile_bootstrap_over_five_launches_covers_too_little() -> None:
    """Why Student's t: resampling five values cannot show how uncertain their own spread is."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(1000, 5))
    means = values[:, generator.integers(0, 5, (500, 5))].mean(axis=2)
    assert (np.quantile(means, 0.95, axis=1) >= 0.0).mean() < 0.92
