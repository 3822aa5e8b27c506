"""Calibrations: what is learnt, how far off it says that it is, and whether that is so."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

from sartor.machine.calibration import Calibration, Experience
from sartor.plan.calibrate import LEAST, bounds_of, calibrate, covariance_of, record_of
from sartor.plan.calibrated import predict_latency, predict_resource, predict_start
from sartor.plan.efficiency import _summed
from sartor.plan.experience import correction, likeness
from sartor.plan.learn import Example, _tree, coefficients_of, exact_coefficients_of, learn
from tests.plan.learning import SUBJECT, learnt, network, samples_of, seconds


def test_unseen_networks_are_predicted_and_lie_in_their_intervals() -> None:
    calibration, random = learnt(), np.random.default_rng(99)
    off, inside = [], []
    for _ in range(200):
        one = network(random)
        taken = samples_of("new", one, random, 0.05)[0].seconds
        found = predict_latency(calibration, one, "onnxruntime", "f32", 1)
        assert found is not None
        assert taken is not None
        off.append(abs(found.seconds.value / taken - 1))
        inside.append(found.seconds.low <= taken <= found.seconds.high)
        assert found.seconds.source == "calibrated"
        assert found.groups.sum() + found.call == pytest.approx(found.seconds.value)
    assert np.median(off) < 0.1
    assert 0.8 <= np.mean(inside) <= 1.0
    assert calibration.efficiencies[0].record.constant_error > 2 * np.median(off), "a constant does not do as well"


def test_the_record_is_of_networks_that_were_left_out() -> None:
    """Pure noise cannot be predicted, and the record says how much of it there was."""
    quiet, loud = (learnt(spread=spread).efficiencies[0].record for spread in (0.05, 0.4))
    assert loud.median_error == pytest.approx(0.67 * 0.4, rel=0.4)
    assert quiet.median_error < 0.4 * loud.median_error
    assert loud.low < -0.4 < 0.4 < loud.high


def test_what_starts_from_another_has_not_seen_there_what_is_left_out() -> None:
    """What a network is off by is the same with one thread and two, and cannot be known of one that was left out."""
    one, two = learnt(spread=0.4).efficiencies[:2]
    assert (one.threads, two.threads, two.base) == (1, 2, one)
    assert two.record.median_error > 0.9 * one.record.median_error
    assert two.record.high - two.record.low > 0.9 * (one.record.high - one.record.low)


def test_coefficients_of_a_sum_are_found_from_whole_networks() -> None:
    random = np.random.default_rng(0)
    true = np.array([1e-9, 0.0, 3e-6, 2e-5])
    sums = np.column_stack([*(10.0 ** random.uniform(3, 8, (60, 2)).T), random.integers(1, 40, 60), np.ones(60)])
    found = coefficients_of(sums, sums @ true)
    assert found @ sums.T == pytest.approx(sums @ true, rel=0.05)
    assert found[0] == pytest.approx(true[0], rel=0.05)


@given(st.integers(0, 1000))
def test_coefficients_are_never_negative(seed: int) -> None:
    random = np.random.default_rng(seed)
    assert (coefficients_of(random.uniform(0, 5, (12, 4)), random.uniform(1e-6, 1, 12)) >= 0).all()


def test_coefficients_of_bytes_are_exact_though_some_follow_another_rule() -> None:
    random = np.random.default_rng(0)
    true = np.array([6e7, 4.0, 1.0, 0.0])
    sums = np.column_stack([np.ones(80), *(10.0 ** random.uniform(3, 7.5, (3, 80)))])
    values = sums @ true
    values[:8] *= 3
    found = exact_coefficients_of(sums, values, np.ones(80))
    assert found == pytest.approx(true, rel=0.02, abs=0.02)


def test_corrections_teach_what_the_sum_cannot() -> None:
    """Groups with a small first feature take half as long for their amount."""
    random = np.random.default_rng(1)
    examples = []
    for _ in range(150):
        amounts = np.column_stack([10.0 ** random.uniform(5, 8, 4), np.zeros(4)])
        features = np.column_stack([random.uniform(0, 10, 4), random.uniform(0, 1, 4)])
        factor = np.where(features[:, 0] < 5, 0.5, 1.0)
        examples.append(Example(amounts, features, float((amounts[:, 0] * factor).sum() * 1e-9)))
    coefficients, trees = learn(examples)

    def error(corrected: bool) -> float:
        return float(
            np.median(
                [
                    abs(
                        (e.amounts @ coefficients * np.exp(corrected * _summed(trees, e.features))).sum() / e.seconds
                        - 1
                    )
                    for e in examples
                ]
            )
        )

    assert error(True) < 0.4 * error(False)


def test_trees_say_what_the_library_says() -> None:
    random = np.random.default_rng(0)
    table, target = random.uniform(-5, 5, (300, 4)), random.normal(size=300)
    grown = [DecisionTreeRegressor(max_depth=depth, random_state=0).fit(table, target) for depth in (1, 4, 3)]
    ours = tuple(_tree(one.tree_, one.tree_.value.ravel()) for one in grown)
    assert _summed(ours, table) == pytest.approx(sum(one.predict(table) for one in grown))
    again = np.repeat(table, 3, axis=0)[::-1]  # as the layers of a network repeat
    assert _summed(ours, again) == pytest.approx(sum(one.predict(again) for one in grown))
    assert _summed((), table) == pytest.approx(np.zeros(300))


@pytest.mark.parametrize("count", [40, 100, 400])
def test_bounds_hold_nine_of_ten_further_ones(count: int) -> None:
    random = np.random.default_rng(count)
    held = []
    for _ in range(600):
        values = random.standard_t(4, count + 1)
        low, high = bounds_of(values[:-1])
        held.append(low <= values[-1] <= high)
    assert np.mean(held) >= 0.9 - 0.03


def test_what_has_too_few_networks_is_not_learnt() -> None:
    random = np.random.default_rng(0)
    networks = {f"n{number}": network(random) for number in range(LEAST - 1)}
    samples = [sample for name, one in networks.items() for sample in samples_of(name, one, random, 0.1)]
    calibration = calibrate(SUBJECT, networks, samples)
    assert calibration.efficiencies == ()
    assert calibration.covariance == ()
    assert predict_latency(calibration, networks["n0"], "onnxruntime", "f32", 1) is None


def test_nothing_is_said_of_what_was_not_learnt() -> None:
    one = network(np.random.default_rng(5))
    assert predict_latency(learnt(), one, "onnxruntime", "bf16", 1) is None
    assert predict_resource(learnt(), one, "size", "onnxruntime", "int8") is None
    assert predict_start(learnt(), one, "openvino", "f32") is None, "the start of this runtime is not known"


def test_threads_between_two_that_were_learnt_are_interpolated() -> None:
    calibration = learnt()
    wide = replace(
        calibration,
        efficiencies=tuple(replace(e, threads=8 if e.threads == 2 else 1) for e in calibration.efficiencies),
    )
    one = network(np.random.default_rng(5))
    found = [predict_latency(wide, one, "onnxruntime", "f32", threads) for threads in (1, 2, 4, 8, 16)]
    times = [each.seconds.value for each in found if each is not None]
    assert times == sorted(times, reverse=True)
    assert times[1] / times[0] == pytest.approx(times[2] / times[1])
    assert times[4] == times[3], "more than was learnt is taken as the most that was"


def test_sizes_memory_and_start_are_sums_too() -> None:
    one = network(np.random.default_rng(7))
    size = predict_resource(learnt(), one, "size", "openvino", "f32")
    memory = predict_resource(learnt(), one, "memory", "onnxruntime", "f32")
    start = predict_start(learnt(), one, "onnxruntime", "f32")
    assert size is not None
    assert memory is not None
    assert start is not None
    assert size.value == pytest.approx(1.02 * one.file_bytes + 5000, rel=0.02)
    assert memory.value == pytest.approx(60e6 + 2.5 * one.file_bytes, rel=0.02)
    assert start.value > 0.3
    assert (size.unit, memory.unit, start.unit) == ("B", "B", "s")


def test_errors_that_go_together_are_seen_to() -> None:
    random = np.random.default_rng(0)
    own = {f"n{number}": random.normal() for number in range(200)}
    near = {name: value + 0.1 * random.normal() for name, value in own.items()}
    apart = {name: random.normal() for name in own}
    records = [record_of(np.array(list(e.values())), np.ones(200), np.ones(200)) for e in (own, near, apart)]
    found = np.array(covariance_of(records, [own, near, apart]))
    assert found == pytest.approx(found.T)
    assert np.linalg.eigvalsh(found).min() > 0
    scale = np.sqrt(np.diag(found))
    correlation = found / np.outer(scale, scale)
    assert correlation[0, 1] > 0.95
    assert abs(correlation[0, 2]) < 0.25


def test_a_network_that_was_timed_is_predicted_to_take_about_that() -> None:
    calibration, one = learnt(), network(np.random.default_rng(11))
    before = predict_latency(calibration, one, "onnxruntime", "f32", 1)
    assert before is not None
    key = calibration.key("onnxruntime", "f32", 1)
    told = Experience("fit", tuple(likeness(one).tolist()), {key: math.log(1.5)})
    wiser = replace(calibration, experience=(told,))
    after = predict_latency(wiser, one, "onnxruntime", "f32", 1)
    assert after is not None
    assert after.seconds.value / before.seconds.value == pytest.approx(1.5, rel=0.08)
    assert after.seconds.high / after.seconds.low < before.seconds.high / before.seconds.low
    other = predict_latency(wiser, one, "openvino", "f32", 1)
    assert other is not None
    assert other.trust == 0, "nothing is known of the other runtime"


def test_a_network_that_is_not_alike_is_not_corrected() -> None:
    one, other = network(np.random.default_rng(1)), network(np.random.default_rng(2), groups=60)
    told = Experience("fit", tuple(likeness(one).tolist()), {"k": 1.0})
    assert correction(one, "k", [told])[0] > 0.8
    assert abs(correction(other, "k", [told])[0]) < 0.2
    assert correction(one, "other key", [told]) == (0.0, 0.0)


def test_a_calibration_comes_back_from_json_as_it_was() -> None:
    calibration = replace(learnt(), experience=(Experience("fit", (1.0, 2.0), {"k": 0.1}),))
    saved = json.loads(json.dumps(calibration.as_dict()))
    again = Calibration.from_dict(saved)
    assert again == calibration
    one = network(np.random.default_rng(3))
    assert predict_latency(again, one, "openvino", "f32", 2) is not None
    with pytest.raises(ValueError, match="schema"):
        Calibration.from_dict({**saved, "schema": 99})


def test_the_made_up_machine_is_as_it_is_said_to_be() -> None:
    one = network(np.random.default_rng(0))
    assert seconds(one, 2) < seconds(one, 1)
