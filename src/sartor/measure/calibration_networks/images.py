"""Families that look at images: convolutions of every kind."""

from __future__ import annotations

from sartor.measure.calibration_networks.dice import ACTIVATIONS, FEED_FORWARD, Dice, grow, image
from sartor.measure.network import Network, Shape

_KERNELS: tuple[int | Shape, ...] = (3, 3, 3, 1, 1, 5, 7, 2, (3, 1), (1, 3), (1, 7))


def convolutions(dice: Dice) -> tuple[Network, str]:
    net, x = image(dice)
    act, residual = dice.of(ACTIVATIONS), dice.chance(0.4)
    kernel = dice.of(_KERNELS)

    def block(x: str) -> str:
        channels = net.shapes[x][1] if residual else dice.channels(8, 512)
        stride = 1 if residual or dice.chance(0.75) or net.shapes[x][-1] < 4 else 2
        out = net.conv(x, channels, kernel, stride)
        return net.act(net.plus(out, x) if residual else out, act)

    return net, grow(dice, net, x, dice.flop(), block)


def bottleneck(dice: Dice) -> tuple[Network, str]:
    net, x = image(dice, 32, 1024)
    act, basic, grouped = dice.of(ACTIVATIONS), dice.chance(0.35), dice.chance(0.5)
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

    return net, grow(dice, net, x, dice.flop(), block)


def _excite(net: Network, x: str, dice: Dice) -> str:
    channels = net.shapes[x][1]
    pooled = net.global_pool(x) if dice.chance(0.5) else net.mean(x, (2, 3))
    inner = net.act(net.conv(pooled, max(4, channels // dice.one(4, 8, 16)), 1), dice.one("relu", "silu"))
    return net.times(x, net.act(net.conv(inner, channels, 1), dice.one("sigmoid", "hardsigmoid")))


def inverted(dice: Dice) -> tuple[Network, str]:
    net, x = image(dice, 8, 320)
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

    return net, grow(dice, net, x, 0.5 * dice.flop(), block)


def separable(dice: Dice) -> tuple[Network, str]:
    """Depthwise then pointwise, without residuals; sometimes with the channels apart in groups, as in ShuffleNet."""
    net, x = image(dice, 8, 512)
    act, kernel, groups = dice.of(ACTIVATIONS), dice.one(3, 3, 5, 9), dice.one(1, 1, 2, 3, 4, 8)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        stride = 2 if dice.chance(0.25) and net.shapes[x][-1] >= 8 else 1
        x = net.act(net.conv(x, channels, kernel, stride, channels), act)
        wide = dice.channels(channels / 2, 2 * channels)
        apart = groups if channels % groups == 0 and wide % groups == 0 else 1
        return net.act(net.conv(x, wide, 1, 1, apart), act)

    return net, grow(dice, net, x, 0.5 * dice.flop(), block)


def channels_last(dice: Dice) -> tuple[Network, str]:
    """ConvNeXt: depthwise in channels first, the rest in channels last."""
    net, x = image(dice, 24, 512)
    act, ratio, kernel, grn = dice.of(FEED_FORWARD), dice.one(2, 4, 4), dice.one(3, 7, 7), dice.chance(0.3)

    def block(x: str) -> str:
        channels = net.shapes[x][1]
        inner = net.transpose(net.conv(x, channels, kernel, 1, channels), (0, 2, 3, 1))
        inner = net.act(net.dense(net.layer_norm(inner), ratio * channels), act)
        if grn:
            inner = _response_norm(net, inner)
        inner = net.times(net.dense(inner, channels), net.weight((channels,)))
        return net.plus(net.transpose(inner, (0, 3, 1, 2)), x)

    return net, grow(dice, net, x, dice.flop(), block)


def _response_norm(net: Network, x: str) -> str:
    shape = net.shapes[x]
    norm = net.add("ReduceL2", [x, net.integers(1, 2)], (1, 1, 1, shape[-1]))
    ratio = net.map("Div", norm, net.map("Add", net.mean(norm, (-1,)), net.scalar(1e-6)))
    scaled = net.times(net.times(x, ratio), net.weight((shape[-1],)))
    return net.plus(net.map("Add", scaled, net.weight((shape[-1],))), x)


def stem(dice: Dice) -> tuple[Network, str]:
    """The first layers on an image."""
    size = dice.one(64, 96, 128, 160, 192, 224, 256)
    net = Network((dice.one(3, 3, 3, 1), size, size))
    act, channels = dice.of(ACTIVATIONS), dice.channels(16, 128)
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

    return net, grow(dice, net, x, 0.5 * dice.flop(), block, 3)


def branches(dice: Dice) -> tuple[Network, str]:
    """Inception, DenseNet and feature pyramids: branches that meet in a concatenation or a sum."""
    net, x = image(dice, 16, 256)
    act, way = dice.of(ACTIVATIONS), dice.one("inception", "dense", "pyramid")

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

    return net, grow(dice, net, x, dice.flop(), block, 6)


def pooled(dice: Dice) -> tuple[Network, str]:
    """PoolFormer and other mixers in channels first."""
    net, x = image(dice, 32, 512)
    act, norm, scaled = dice.of(FEED_FORWARD), dice.one("group", "instance", "batch", "none"), dice.chance(0.5)

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

    return net, grow(dice, net, x, dice.flop(), block, 5)
