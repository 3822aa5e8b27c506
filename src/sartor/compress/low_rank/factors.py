"""Factors of a layer's weight that lose least of what the layer gives, in numpy alone.

O outputs and I inputs (channels of a convolution), T taps of its kernel (1 for a product), r ranks. A layer gives
y = W x + b, where x holds all I T numbers that one output position reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_SWEEPS = 3  # of HOOI, after which the subspaces of the zoo's ResNet no longer turn


@dataclass(frozen=True, eq=False)
class Second:
    """Second moments of some vectors.

    Attributes:
        moment: (n, n), the mean of v v^T over rows.
        spread: the expected squared distance (Frobenius) of `moment` from what infinitely many rows would give.
    """

    moment: Values
    spread: float

    def towards(self, target: Values) -> Values:
        """The moment shrunk towards a target, (n, n), of which only the direction counts.

        The share of the target is that of least expected squared error: Ledoit and Wolf 2004, "A well-conditioned
        estimator for large-dimensional covariance matrices", section 3.1, with a target other than the identity.
        """
        scaled = target * (np.trace(self.moment) / max(float(np.trace(target)), np.finfo(float).tiny))
        distance = float(np.sum((self.moment - scaled) ** 2))
        share = min(1.0, self.spread / distance) if distance > 0 else 0.0
        return np.asarray((1.0 - share) * self.moment + share * scaled)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """How the output of a layer is spread over directions, from which its errors at all ranks follow.

    Attributes:
        weight: (O, I, T).
        basis: (O, K), orthonormal columns, those with most of the output's energy first; K the least of O and I T.
        root: (I, I), a symmetric square root of the inputs' second moments; None where inputs are not reduced.
        errors: share of the output's energy that is lost, by rank (K + 1,), or by the ranks of inputs and outputs
            (I + 1, O + 1).
        measured: whether activations were looked at; else the weight alone was.
    """

    weight: Values
    basis: Values
    root: Values | None
    errors: Values
    measured: bool


def product_spectrum(weight: Values, outputs: Second | None) -> Spectrum:
    """Of a layer that becomes two: W, about U U^T W.

    With U the first r eigenvectors of E[y y^T] = W E[x x^T] W^T, U U^T W minimises E|(W - W_r) x|^2 among all matrices
    of rank r: it is the truncated SVD of W S, S S^T = E[x x^T], times the inverse of S (Chen et al. 2021, DRONE,
    NeurIPS; Wang et al. 2024, SVD-LLM, arXiv 2403.07378), without an S to invert. The error is the share of the energy
    in the directions that are left out. Without moments E[x x^T] is taken to be the identity: this is the SVD of W.

    Args:
        weight: (O, I, T).
        outputs: moments (O, O) of what the layer gives, about 0 or its mean. Directions are those of the moments shrunk
            towards W W^T, errors those of the rows that were seen.
    """
    flat = weight.reshape(len(weight), -1)
    plain = np.asarray(flat @ flat.T)
    moment, believed = (plain, plain) if outputs is None else (outputs.moment, outputs.towards(plain))
    # What a layer with few inputs gives lies in few directions: only those are worth an eigenvalue.
    frame = np.linalg.qr(flat)[0] if flat.shape[0] > flat.shape[1] else np.eye(len(flat))
    basis = frame @ _leading(frame.T @ believed @ frame)[1]
    energies = np.maximum(np.einsum("ok,op,pk->k", basis, moment, basis, optimize=True), 0.0)
    return Spectrum(weight, basis, None, _lost(energies), outputs is not None)


def convolution_spectrum(weight: Values, outputs: Second | None, inputs: Second | None) -> Spectrum:
    """Of a convolution that becomes three: W, about U core V^T (Tucker-2, Kim et al. 2016, arXiv 1511.06530).

    Outputs are reduced as in `product_spectrum`. Inputs are reduced to the first right singular vectors of W S, where
    S S^T are the second moments of its input channels, taken to be independent from tap to tap. Both errors are
    orthogonal in the output, so they add. Without moments the errors are those of the truncated HOSVD (De Lathauwer et
    al. 2000), exactly; the sweeps of `factors` only lower them.

    Args:
        weight: (O, I, T).
        outputs: moments (O, O) of what the layer gives; shrunk towards W W^T.
        inputs: moments (I, I) of its input channels; shrunk towards the identity.
    """
    spectrum = product_spectrum(weight, outputs)
    root = _root(np.eye(weight.shape[1]) if inputs is None else inputs.towards(np.eye(weight.shape[1])))
    seen = _from_inputs(weight, root)
    _, directions = _leading(_over_inputs(seen))
    core = np.einsum("oit,op,ij->pjt", seen, spectrum.basis, directions, optimize=True)
    energy = np.sum(core**2, axis=2)
    energy /= max(float(energy.sum()), np.finfo(float).tiny)
    # [i, o]: energy of the first o outputs that lies outside the first i inputs.
    outside = np.cumsum(_tails(energy.T), axis=1)
    lost = np.concatenate([np.zeros((len(outside), 1)), outside], axis=1) + spectrum.errors
    errors = np.pad(np.minimum(lost, 1.0), ((0, 0), (0, len(weight) + 1 - len(spectrum.errors))), mode="edge")
    return Spectrum(weight, spectrum.basis, root, errors, outputs is not None)


def factors(spectrum: Spectrum, ranks: Sequence[int]) -> list[Values]:
    """The parts (r, I, T) and (O, r, 1), or (r in, I, 1), (r out, r in, T) and (O, r out, 1), in the order they run.

    A convolution's part that would keep all of its channels is left out.

    Args:
        ranks: as many as `spectrum.errors` has axes.
    """
    weight = spectrum.weight
    if spectrum.root is None:
        basis = spectrum.basis[:, : ranks[0]]
        return [_onto(weight, basis), basis[..., None]]
    outputs, inputs = len(weight), weight.shape[1]
    rank_in, rank_out = ranks
    basis, directions = _subspaces(spectrum, rank_in, rank_out)
    reduced, parts = weight, []
    if rank_in < inputs:
        parts.append((directions.T @ np.linalg.inv(spectrum.root))[..., None])
        reduced = _from_inputs(weight, spectrum.root @ directions)
    if rank_out == outputs:
        return [*parts, reduced]
    return [*parts, _onto(reduced, basis), basis[..., None]]


def composed(parts: Sequence[Values]) -> Values:
    """(O, I, T), the weight that a layer's parts make together."""
    whole, *others = parts
    for part in others:
        # Of two parts next to each other at most one has a kernel.
        whole = np.einsum("ort,ris->oi" + ("t" if part.shape[2] > 1 else "s"), part, whole, optimize=True)
    return np.asarray(whole)


def kept_outputs(parts: Sequence[Values]) -> Values:
    """(O, O), the projection that the last of a layer's parts applies to what the layer gives."""
    last = parts[-1]
    has_kernel = last.shape[2] > 1  # so that it gives all outputs itself
    return np.eye(len(last)) if has_kernel else np.asarray(last[..., 0] @ last[..., 0].T)


def _subspaces(spectrum: Spectrum, rank_in: int, rank_out: int) -> tuple[Values, Values]:
    """Orthonormal columns (O, r out) and (I, r in); each is the best beside the other.

    Where outputs were looked at their subspace stays; else both turn (HOOI, De Lathauwer et al. 2000).
    """
    assert spectrum.root is not None
    seen = _from_inputs(spectrum.weight, spectrum.root)
    basis = spectrum.basis[:, :rank_out]
    for _ in range(1 if spectrum.measured else _SWEEPS):
        directions = _leading(_over_inputs(_onto(seen, basis)))[1][:, :rank_in]
        if not spectrum.measured:
            reduced = _from_inputs(seen, directions).reshape(len(seen), -1)
            basis = _leading(reduced @ reduced.T)[1][:, :rank_out]
    return basis, directions


def _from_inputs(weight: Values, root: Values) -> Values:
    """(O, r, T), a weight times (I, r)."""
    return np.asarray(np.einsum("oit,ij->ojt", weight, root, optimize=True))


def _over_inputs(weight: Values) -> Values:
    """(I, I), the sum over outputs and taps."""
    flat = weight.transpose(1, 0, 2).reshape(weight.shape[1], -1)
    return np.asarray(flat @ flat.T)


def _onto(weight: Values, basis: Values) -> Values:
    """(r, I, T), a weight in the coordinates of a basis (O, r)."""
    return np.asarray(np.tensordot(basis.T, weight, axes=1))


def _leading(symmetric: Values) -> tuple[Values, Values]:
    """Eigenvalues, largest first and none below 0, and their vectors as columns."""
    values, vectors = np.linalg.eigh(symmetric)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]


def _root(symmetric: Values) -> Values:
    """A symmetric square root that has an inverse."""
    values, vectors = np.linalg.eigh(symmetric)
    least = max(float(values[-1]), np.finfo(float).tiny) * 1e-9
    return np.asarray((vectors * np.sqrt(np.maximum(values, least))) @ vectors.T)


def _lost(energies: Values) -> Values:
    """(n + 1,), the share of the energies from each number on; nothing is lost where there are none."""
    return _tails(energies / max(float(energies.sum()), np.finfo(float).tiny))


def _tails(values: Values) -> Values:
    """(n + 1, ...), sums from each number on."""
    ended = np.concatenate([values, np.zeros_like(values[:1])])
    return np.asarray(np.cumsum(ended[::-1], axis=0)[::-1])
