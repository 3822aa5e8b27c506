"""Networks to learn from: random ones in the manner of every family of architectures, written without a framework.

A network is drawn by its number alone, so a calibration that goes on later goes on with the next numbers, and two
machines learn from the same ones. Shapes are log-spaced over what published models have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sartor.measure.network import Network, Shape

if TYPE_CHECKING:
    from onnx import ModelProto

Item = TypeVar("Item")
_MOST_FLOP = 1.2e9  # of one network; seconds of a calibration are better spent on many
_SIZES = (7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112)
_ACTIVATIONS = ("relu", "relu", "relu", "silu", "silu", "relu6", "hardswish", "gelu", "gelu", "erf", "none", "leaky")
_FEED_FORWARD = ("gelu", "gelu", "gelu", "erf", "gelu-tanh", "relu", "silu")


@dataclass(frozen=True)
class Drawn:
    """A network to time.

    Attributes:
        family: the manner it was drawn in.
        shape: of one row of its input.
        vocabulary: above 0 the input is whole numbers below it.
    """

    number: int
    family: str
    model: ModelProto
    shape: Shape
    vocabulary: int


class _Dice:
    """Choices of one network."""

    def __init__(self, number: int) -> None:
        self._random = np.random.default_rng([number, 4])

    def one(self, *items: Item) -> Item:
        return items[int(self._random.integers(len(items)))]

    def of(self, items: Sequence[Item]) -> Item:
        return items[int(self._random.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self._random.random() < share)

    def between(self, low: float, high: float, multiple: int = 1) -> int:
        """A whole multiple, log-uniform."""
        drawn = math.exp(self._random.uniform(math.log(low), math.log(high)))
        return max(multiple, round(drawn / multiple) * multiple)

    def channels(self, low: float = 8, high: float = 512) -> int:
        """Mostly multiples of 8, as people choose them."""
        return self.between(low, high, self.one(8, 8, 8, 16, 16, 32, 4, 1))

    def flop(self) -> float:
        """How large this network may become."""
        return math.exp(self._random.uniform(math.log(3e7), math.log(_MOST_FLOP)))


Family = Callable[[_Dice], tuple[Network, str]]


def _image(dice: _Dice, low: float = 8, high: float = 512) -> tuple[Network, str]:
    """A feature map of any size, larger ones with fewer channels."""
    size = dice.of(_SIZES)
    channels = dice.channels(low, min(high, max(16.0, 2e4 / size)))
    height = size if dice.chance(0.8) else dice.of(_SIZES)
    return Network((channels, height, size)), "x"


def _grow(network: Network, x: str, most: float, block: Callable[[str], str], blocks: int = 8) -> str:
    for _ in range(blocks):
        x = block(x)
        if network.flop > most:
            break
    return x


def _convolutions(dice: _Dice) -> tuple[Network, str]:
    net, x = _image(dice)
    act, residual = dice.of(_ACTIVATIONS), dice.chance(0.4)
    kernel = dice.one(3, 3, 3, 1, 1, 5, 7, 2)

    def block(x: str) -> str:
        channels = net.shapes[x][1] if residual else dice.channels(8, 512)
        stride = 1 if residual or dice.chance(0.75) or net.shapes[x][-1] < 4 else 2
        out = net.conv(x, channels, kernel, stride)
        return net.act(net.plus(out, x) if residual else out, act)

    return net, _grow(net, x, dice.flop(), block)


def _bottleneck(dice: _Dice) -> tuple[Network, str]:
    net, x = _image(dice, 32, 1024)
    act, basic, grouped = dice.of(_ACTIVATIONS), dice.chance(0.4), dice.chance(0.35)
    ratio, width = dice.one(1, 2, 4, 4), dice.one(4, 8, 8, 16, 24, 32)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        if basic:
            inner = net.conv(net.act(net.conv(x, channels), act), channels)
        else:
            middle = max(8, channels // ratio)
            middle = max(width, middle // width * width) if grouped else middle
            inner = net.act(net.conv(x, middle, 1), act)
            inner = net.act(net.conv(inner, middle, 3, 1, middle // width if grouped else 1), act)
            inner = _excite(net, inner, dice) if grouped and dice.chance(0.5) else inner
            inner = net.conv(inner, channels, 1)
        out = net.act(net.plus(inner, x), act)
        if dice.chance(0.3) and net.shapes[x][-1] >= 8:
            out = net.conv(out, min(1024, 2 * channels), dice.one(1, 3), 2)
        return out

    return net, _grow(net, x, dice.flop(), block)


def _excite(net: Network, x: str, dice: _Dice) -> str:
    channels = net.shapes[x][1]
    pooled = net.global_pool(x) if dice.chance(0.5) else net.mean(x, (2, 3))
    inner = net.act(net.conv(pooled, max(4, channels // dice.one(4, 8, 16)), 1), dice.one("relu", "silu"))
    return net.times(x, net.act(net.conv(inner, channels, 1), dice.one("sigmoid", "hardsigmoid")))


def _inverted(dice: _Dice) -> tuple[Network, str]:
    net, x = _image(dice, 8, 320)
    act, excite, kernel = (
        dice.one("relu6", "relu", "silu", "silu", "hardswish", "gelu"),
        dice.chance(0.4),
        dice.one(3, 3, 5, 7),
    )
    ratio = dice.one(1, 2, 4, 6, 6)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        inner = net.act(net.conv(x, ratio * channels, 1), act) if ratio > 1 else x
        stride = 2 if dice.chance(0.25) and net.shapes[x][-1] >= 8 else 1
        inner = net.act(net.conv(inner, ratio * channels, kernel, stride, ratio * channels), act)
        inner = _excite(net, inner, dice) if excite else inner
        out = net.conv(inner, channels if stride == 1 else dice.channels(channels, 2 * channels), 1)
        return net.plus(out, x) if stride == 1 else out

    return net, _grow(net, x, 0.5 * dice.flop(), block)


def _separable(dice: _Dice) -> tuple[Network, str]:
    """Depthwise then pointwise, without residuals."""
    net, x = _image(dice, 8, 512)
    act, kernel = dice.of(_ACTIVATIONS), dice.one(3, 3, 5, 9)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        stride = 2 if dice.chance(0.25) and net.shapes[x][-1] >= 8 else 1
        x = net.act(net.conv(x, channels, kernel, stride, channels), act)
        return net.act(net.conv(x, dice.channels(channels / 2, 2 * channels), 1), act)

    return net, _grow(net, x, 0.5 * dice.flop(), block)


def _channels_last(dice: _Dice) -> tuple[Network, str]:
    """ConvNeXt: depthwise in channels first, the rest in channels last."""
    net, x = _image(dice, 24, 512)
    act, ratio, kernel, grn = dice.of(_FEED_FORWARD), dice.one(2, 4, 4), dice.one(3, 7, 7), dice.chance(0.3)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        inner = net.transpose(net.conv(x, channels, kernel, 1, channels), (0, 2, 3, 1))
        inner = net.act(net.dense(net.layer_norm(inner), ratio * channels), act)
        if grn:
            inner = _response_norm(net, inner)
        inner = net.times(net.dense(inner, channels), net.weight((channels,)))
        return net.plus(net.transpose(inner, (0, 3, 1, 2)), x)

    return net, _grow(net, x, dice.flop(), block)


def _response_norm(net: Network, x: str) -> str:
    shape = net.shapes[x]
    norm = net.add("ReduceL2", [x, net.integers(1, 2)], (1, 1, 1, shape[-1]))
    ratio = net.map("Div", norm, net.map("Add", net.mean(norm, (-1,)), net.scalar(1e-6)))
    scaled = net.times(net.times(x, ratio), net.weight((shape[-1],)))
    return net.plus(net.map("Add", scaled, net.weight((shape[-1],))), x)


def _stem(dice: _Dice) -> tuple[Network, str]:
    """The first layers on an image."""
    size = dice.one(64, 96, 128, 160, 192, 224, 256)
    net = Network((dice.one(3, 3, 3, 1), size, size))
    act, channels = dice.of(_ACTIVATIONS), dice.channels(16, 128)
    way = dice.one("patch", "seven", "three", "three", "embed")
    if way in ("patch", "embed"):
        patch = dice.one(4, 8, 14, 16, 32) if way == "embed" else 4
        x = net.conv("x", channels if way == "patch" else dice.channels(128, 768), patch, patch)
        if dice.chance(0.6):
            x = net.layer_norm(net.transpose(x, (0, 2, 3, 1)))
        return net, x
    x = net.act(net.conv("x", channels, 7 if way == "seven" else 3, 2), act)
    x = net.pool(x, 3, 2) if way == "seven" or dice.chance(0.3) else x

    def block(x: str) -> str:
        return net.act(net.conv(x, dice.channels(16, 128), 3, dice.one(1, 1, 2)), act)

    return net, _grow(net, x, 0.5 * dice.flop(), block, 3)


def _branches(dice: _Dice) -> tuple[Network, str]:
    """Inception, DenseNet and feature pyramids: branches that meet in a concatenation or a sum."""
    net, x = _image(dice, 16, 256)
    act, way = dice.of(_ACTIVATIONS), dice.one("inception", "dense", "pyramid")

    def block(x: str) -> str:
        width = dice.channels(8, 128)
        if way == "dense":
            inner = net.act(net.batch_norm(x), act) if dice.chance(0.5) else x
            return net.concat([x, net.act(net.conv(inner, dice.one(12, 16, 32, 48)), act)], 1)
        if way == "inception":
            parts = [net.act(net.conv(x, width, kernel), act) for kernel in (1, 3, 5)]
            parts.append(net.act(net.conv(net.pool(x, 3, 1, dice.chance(0.5)), width, 1), act))
            return net.concat(parts, 1)
        if net.shapes[x][-1] % 2 or net.shapes[x][-2] % 2:
            return net.act(net.conv(x, width), act)
        small = net.act(net.conv(x, width, 3, 2), act)
        large = net.resize(small, 2, dice.chance(0.5)) if dice.chance(0.5) else net.transposed(small, width)
        side = net.conv(x, width, 1)
        return net.act(
            net.conv(net.concat([large, side], 1) if dice.chance(0.5) else net.plus(large, side), width), act
        )

    return net, _grow(net, x, dice.flop(), block, 6)


def _pooled(dice: _Dice) -> tuple[Network, str]:
    """PoolFormer and other mixers in channels first."""
    net, x = _image(dice, 32, 512)
    act, norm, scaled = dice.of(_FEED_FORWARD), dice.one("group", "instance", "batch", "none"), dice.chance(0.5)

    def normed(x: str) -> str:
        made = {"group": net.group_norm, "instance": net.instance_norm, "batch": net.batch_norm}
        return made[norm](x) if norm in made else x

    def scale(x: str) -> str:
        return net.times(x, net.weight((net.shapes[x][1], 1, 1))) if scaled else x

    def block(x: str) -> str:
        inner = normed(x)
        mixed = net.map("Sub", net.pool(inner, 3, 1, True), inner)
        x = net.plus(x, scale(mixed))
        channels = net.shapes[x][1]
        inner = net.act(net.conv(normed(x), dice.one(2, 4) * channels, 1), act)
        return net.plus(x, scale(net.conv(inner, channels, 1)))

    return net, _grow(net, x, dice.flop(), block, 5)


def attention(
    net: Network, x: str, heads: int, head: int, mask: str = "", keys: str = "", guarded: bool = False
) -> str:
    """Attention over (batch, length, width), in the operators that exporters write it in.

    Args:
        mask: added to the scores: `constant`, or nothing.
        keys: what keys and values come from; `x` where empty.
        guarded: with the test for rows that see nothing.
    """
    batch, length, width = net.shapes[x]
    source = keys or x
    other = net.shapes[source][1]

    def split(given: str, count: int) -> str:
        return net.transpose(net.reshape(net.dense(given, heads * head), (count, heads, head), batch), (0, 2, 1, 3))

    queries, key, values = split(x, length), split(source, other), split(source, other)
    key = net.transpose(net.reshape(key, (other, head), batch * heads), (0, 2, 1))
    key = net.reshape(key, (heads, head, other), batch)
    scale = net.scalar(head**-0.25)
    return _attend(net, net.map("Mul", queries, scale), net.map("Mul", key, scale), values, width, mask, guarded)


def _attend(net: Network, queries: str, key: str, values: str, width: int, mask: str, guarded: bool) -> str:
    batch, heads, length, head = net.shapes[queries]
    scores = net.matmul(queries, key)
    if mask:
        scores = net.map("Add", scores, net.weight((1, _mask_heads(mask, heads), length, net.shapes[key][-1])))
    weights = net.softmax(scores)
    if guarded:
        weights = net.add("Where", [net.map("IsNaN", weights), net.scalar(0.0), weights], net.shapes[weights])
    out = net.transpose(net.matmul(weights, values), (0, 2, 1, 3))
    return net.dense(net.reshape(out, (length, heads * head), batch), width)


def _mask_heads(mask: str, heads: int) -> int:
    """A mask is the same for all heads, a bias of positions is not."""
    return heads if mask == "bias" else 1


def _encoder(dice: _Dice) -> tuple[Network, str]:
    length = dice.of((8, 16, 24, 32, 49, 64, 65, 100, 128, 197, 256, 384))
    width, head = dice.between(96, 1024, 32), dice.one(16, 32, 32, 48, 64, 64, 64)
    heads = max(1, width // head)
    act, ratio, before = dice.of(_FEED_FORWARD), dice.one(1, 2, 4, 4, 4), dice.chance(0.5)
    mask, guarded = dice.one("", "", "same", "bias"), dice.chance(0.4)
    if dice.chance(0.4):
        rows = dice.one(1000, 8000, 30000)
        net = Network((length,), rows)
        x = net.layer_norm(net.map("Add", net.embed("x", rows, width), net.weight((1, length, width))))
    else:
        net, x = Network((length, width)), "x"

    def block(x: str) -> str:
        inner = net.layer_norm(x) if before else x
        out = net.plus(attention(net, inner, heads, head, mask, "", guarded), x)
        out = out if before else net.layer_norm(out)
        inner = net.layer_norm(out) if before else out
        after = net.plus(net.dense(net.act(net.dense(inner, ratio * width), act), width), out)
        return after if before else net.layer_norm(after)

    return net, _grow(net, x, dice.flop(), block, 6)


def _decoder(dice: _Dice) -> tuple[Network, str]:
    """Rotary positions, grouped queries, gated feed-forward, root mean square normalisation."""
    length, head = dice.of((8, 16, 32, 64, 128, 256)), dice.one(32, 64, 64, 128)
    heads = dice.one(4, 6, 8, 12)
    width, shared, act = heads * head, dice.one(1, 1, 2, 4), dice.one("silu", "silu", "gelu", "gelu-tanh")
    rows = dice.one(1000, 8000, 30000)
    gated, norm = dice.chance(0.7), dice.chance(0.7)
    net = Network((length,), rows)

    def normed(x: str) -> str:
        return net.rms_norm(x) if norm else net.layer_norm(x)

    def rotated(x: str) -> str:
        *_, size = net.shapes[x]
        second = net.map("Neg", net.slice(x, 3, size // 2, size))
        turned = net.concat([second, net.slice(x, 3, 0, size // 2)], 3)
        return net.plus(
            net.times(x, net.weight((1, 1, length, size))), net.times(turned, net.weight((1, 1, length, size)))
        )

    def split(x: str, count: int) -> str:
        wide = net.dense(x, count * head, bias=False)
        return net.transpose(net.reshape(wide, (length, count, head)), (0, 2, 1, 3))

    def repeated(x: str) -> str:
        count = net.shapes[x][1]
        if count == heads:
            return x
        apart = net.reshape(x, (count, 1, length, head))
        spread = net.add(
            "Expand",
            [apart, net.integers(1, count, heads // count, length, head)],
            (1, count, heads // count, length, head),
        )
        return net.reshape(spread, (heads, length, head))

    def block(x: str) -> str:
        inner = normed(x)
        count = max(1, heads // shared) if heads % shared == 0 else heads
        queries, keys, values = rotated(split(inner, heads)), rotated(split(inner, count)), split(inner, count)
        keys = net.transpose(repeated(keys), (0, 1, 3, 2))
        scale = net.scalar(head**-0.25)
        out = _attend(
            net, net.map("Mul", queries, scale), net.map("Mul", keys, scale), repeated(values), width, "same", False
        )
        x = net.plus(x, out)
        inner = normed(x)
        wide = dice.one(2, 3, 4) * width
        up = net.act(net.dense(inner, wide, bias=False), act)
        up = net.times(up, net.dense(inner, wide, bias=False)) if gated else up
        return net.plus(x, net.dense(up, width, bias=False))

    return net, _grow(net, net.embed("x", rows, width), dice.flop(), block, 4)


def _windows(dice: _Dice) -> tuple[Network, str]:
    """Swin: attention inside windows, sometimes shifted."""
    window, across = dice.one(4, 7, 7, 8), dice.one(1, 2, 4, 8)
    side = window * across
    head = dice.one(16, 24, 32, 32)
    heads = dice.one(2, 3, 4, 6, 8, 12)
    width, shifted, act = head * heads, dice.chance(0.5) and across > 1, dice.of(_FEED_FORWARD)
    net = Network((side * side, width))

    def block(x: str) -> str:
        inner = net.reshape(net.layer_norm(x), (side, side, width))
        if shifted:
            for axis in (1, 2):
                inner = net.concat([net.slice(inner, axis, 2, side), net.slice(inner, axis, 0, 2)], axis)
        inner = net.transpose(net.reshape(inner, (across, window, across, window, width)), (0, 1, 3, 2, 4, 5))
        inner = net.reshape(inner, (window * window, width), across * across)
        inner = attention(net, inner, heads, head, "bias")
        inner = net.reshape(inner, (across, across, window, window, width))
        inner = net.reshape(net.transpose(inner, (0, 1, 3, 2, 4, 5)), (side * side, width))
        x = net.plus(x, inner)
        inner = net.act(net.dense(net.layer_norm(x), 4 * width), act)
        return net.plus(x, net.dense(inner, width))

    return net, _grow(net, "x", dice.flop(), block, 4)


def _hybrid(dice: _Dice) -> tuple[Network, str]:
    """Convolutions around attention with fewer keys than queries: PVT, CvT, MobileViT, LeViT."""
    side, head = dice.one(7, 8, 12, 14, 16, 20, 28), dice.one(16, 32, 64)
    heads = dice.one(1, 2, 4, 6, 8)
    width, act, reduce = head * heads, dice.of(_FEED_FORWARD), dice.one(1, 1, 2, 4)
    net = Network((width, side, side))

    def tokens(x: str) -> str:
        _, channels, *space = net.shapes[x]
        return net.transpose(net.reshape(x, (channels, math.prod(space))), (0, 2, 1))

    def block(x: str) -> str:
        if dice.chance(0.5):
            x = net.plus(net.conv(x, width, 3, 1, width if dice.chance(0.5) else 1), x)
        flat = net.layer_norm(tokens(x))
        few = net.layer_norm(tokens(net.conv(x, width, reduce, reduce))) if reduce > 1 and side % reduce == 0 else ""
        out = net.plus(attention(net, flat, heads, head, dice.one("", "bias"), few), tokens(x))
        wide = net.dense(net.layer_norm(out), dice.one(2, 4) * width)
        if dice.chance(0.4):
            count = net.shapes[wide][-1]
            maps = net.reshape(net.transpose(wide, (0, 2, 1)), (count, side, side))
            wide = tokens(net.conv(maps, count, 3, 1, count))
        out = net.plus(net.dense(net.act(wide, act), width), out)
        return net.reshape(net.transpose(out, (0, 2, 1)), (width, side, side))

    return net, _grow(net, "x", dice.flop(), block, 3)


def _recurrent(dice: _Dice) -> tuple[Network, str]:
    length, width = dice.between(16, 160), dice.between(32, 640, 16)
    net = Network((length, dice.between(16, 512, 4)))
    kind, both = dice.one("LSTM", "GRU"), dice.chance(0.4)
    x = net.act(net.dense("x", width), "relu") if dice.chance(0.3) else "x"

    def block(x: str) -> str:
        return net.recurrent(x, kind, width, both)

    x = _grow(net, x, 0.5 * dice.flop(), block, dice.one(1, 2, 2, 3))
    return net, net.dense(x, dice.between(8, 256))


def _sound(dice: _Dice) -> tuple[Network, str]:
    """Convolutions along time, and what follows them in Conformers."""
    if dice.chance(0.5):
        net = Network((1, dice.between(4000, 32000)))
        x = net.conv("x", dice.between(64, 512, 64), 10, 5)
    else:
        net = Network((dice.one(40, 64, 80), dice.between(100, 1000)))
        x = "x"
    act, width, way = (
        dice.one("gelu", "gelu", "relu", "silu"),
        dice.between(64, 512, 32),
        dice.one("", "layer", "instance"),
    )
    grouped = dice.one(1, 1, 4, 16)

    def block(x: str) -> str:
        long = net.shapes[x][-1] > 400
        same = net.shapes[x][1] == width
        groups = grouped if same and width % grouped == 0 and not long else 1
        x = net.conv(x, width, dice.one(2, 3, 3, 5) if groups == 1 else dice.one(16, 31, 64), 2 if long else 1, groups)
        if way == "instance":
            x = net.instance_norm(x)
        if way == "layer":
            x = net.transpose(net.layer_norm(net.transpose(x, (0, 2, 1))), (0, 2, 1))
        return net.act(x, act)

    x = _grow(net, x, dice.flop(), block, 6)
    if dice.chance(0.4):  # the convolution module of a Conformer
        wide = net.conv(x, 2 * width, 1)
        gate = net.act(net.slice(wide, 1, width, 2 * width), "sigmoid")
        x = net.times(net.slice(wide, 1, 0, width), gate)
        x = net.conv(net.act(net.conv(x, width, dice.one(15, 31), 1, width), "silu"), width, 1)
    return net, net.dense(net.transpose(x, (0, 2, 1)), dice.between(32, 512, 16))


def _perceptron(dice: _Dice) -> tuple[Network, str]:
    """Dense layers on few or many rows, some with weights beyond every cache."""
    rows, large = dice.one(1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512), dice.chance(0.3)
    width = dice.between(512, 3072, 64) if large else dice.between(16, 1024, 8)
    net = Network((rows, dice.between(32, 2048, 8)) if rows > 1 else (dice.between(32, 2048, 8),))
    act = dice.of(_ACTIVATIONS)
    most = dice.flop()

    def block(x: str) -> str:
        size = width if dice.chance(0.6) else dice.between(16, width)
        return net.act(net.dense(x, size) if rows > 1 or dice.chance(0.5) else net.head(x, size), act)

    return net, _grow(net, "x", most, block, 6)


def _mixer(dice: _Dice) -> tuple[Network, str]:
    """MLP-Mixer, and layers that act along several axes in turn."""
    tokens, width, act = dice.between(16, 256, 4), dice.between(64, 768, 16), dice.of(_FEED_FORWARD)
    series = dice.one(1, 1, 4, 7)
    net = Network((series, tokens, width) if series > 1 else (tokens, width))
    swap = (0, 1, 3, 2) if series > 1 else (0, 2, 1)

    def block(x: str) -> str:
        inner = net.transpose(net.layer_norm(x), swap)
        inner = net.dense(net.act(net.dense(inner, dice.one(1, 2) * tokens), act), tokens)
        x = net.plus(net.transpose(inner, swap), x)
        inner = net.act(net.dense(net.layer_norm(x), dice.one(2, 4) * width), act)
        inner = net.dense(inner, width)
        gate = net.softmax(net.dense(inner, width)) if dice.chance(0.3) else ""
        return net.plus(net.times(inner, gate) if gate else inner, x)

    return net, _grow(net, "x", dice.flop(), block, 4)


def _elements(dice: _Dice) -> tuple[Network, str]:
    """Everything but products: norms, maps, reductions, movement, at any size."""
    if dice.chance(0.5):
        net, x = _image(dice, 8, 256)
    else:
        net, x = Network((dice.between(8, 512), dice.between(16, 1024))), "x"

    def block(x: str) -> str:
        rank = len(net.shapes[x])
        order = dice.one((0, 2, 3, 1), (0, 1, 3, 2), (0, 3, 1, 2)) if rank == 4 else (0, 2, 1)
        way = dice.one(
            "layer", "softmax", "act", "act", "move", "reduce", "cut", "sum", "rms", "pool", "instance", "table"
        )
        if way == "layer":
            return net.layer_norm(x)
        if way == "rms":
            return net.rms_norm(x)
        if way == "softmax":
            return net.softmax(x)
        if way == "act":
            return net.act(x, dice.one("silu", "erf", "gelu", "gelu-tanh", "tanh", "relu", "hardswish", "elu"))
        if way == "move":
            return net.transpose(x, order)
        if way == "reduce":
            return net.map("Sub", x, net.mean(x, (dice.one(-1, 1),)))
        if way == "cut":
            axis = rank - 1 if dice.chance(0.5) else 1
            half = max(1, net.shapes[x][axis] // 2)
            return net.concat([net.slice(x, axis, half, net.shapes[x][axis]), net.slice(x, axis, 0, half)], axis)
        if way == "sum":
            return net.plus(net.times(x, net.weight((net.shapes[x][-1],))), x)
        if way == "pool" and rank == 4:
            return net.pool(x, dice.one(2, 3, 5), dice.one(1, 1, 2), dice.chance(0.5))
        if way == "instance":
            return net.instance_norm(x)
        if way == "table" and rank == 4:
            return net.resize(x, 2, dice.chance(0.5)) if math.prod(net.shapes[x]) < 4e5 else x
        return net.act(x, "relu")

    for _ in range(10):
        x = block(x)
    return net, x


# How often each is drawn: by how many published architectures live of it.
FAMILIES: tuple[tuple[str, Family, int], ...] = (
    ("convolutions", _convolutions, 5),
    ("bottleneck", _bottleneck, 4),
    ("inverted", _inverted, 4),
    ("separable", _separable, 2),
    ("channels-last", _channels_last, 2),
    ("stem", _stem, 3),
    ("branches", _branches, 3),
    ("pooled", _pooled, 2),
    ("encoder", _encoder, 6),
    ("decoder", _decoder, 3),
    ("windows", _windows, 2),
    ("hybrid", _hybrid, 3),
    ("recurrent", _recurrent, 3),
    ("sound", _sound, 3),
    ("perceptron", _perceptron, 3),
    ("mixer", _mixer, 2),
    ("elements", _elements, 3),
)


def draw(number: int) -> Drawn:
    """The network with this number; neighbouring numbers are of different families."""
    turns = [index for index, (_, _, times) in enumerate(FAMILIES) for _ in range(times)]
    order = np.random.default_rng([number // len(turns), 9]).permutation(len(turns))
    name, family, _ = FAMILIES[turns[order[number % len(turns)]]]
    network, output = family(_Dice(number))
    return Drawn(number, name, network.model(output), network.shapes["x"][1:], network.vocabulary)
