"""Families without convolutions or attention: dense layers, mixers, and everything but products."""

from __future__ import annotations

import math

from sartor.measure.calibration_networks.dice import ACTIVATIONS, FEED_FORWARD, Dice, grow, image
from sartor.measure.network import Network


def perceptron(dice: Dice) -> tuple[Network, str]:
    """Dense layers on few or many rows, some with weights beyond every cache."""
    rows, large = dice.one(1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512), dice.chance(0.3)
    width = dice.between(512, 3072, 64) if large else dice.between(16, 1024, 8)
    net = Network((rows, dice.between(32, 2048, 8)) if rows > 1 else (dice.between(32, 2048, 8),))
    act = dice.of(ACTIVATIONS)
    most = dice.flop()

    def block(x: str) -> str:
        size = width if dice.chance(0.6) else dice.between(16, width)
        return net.act(net.dense(x, size) if rows > 1 or dice.chance(0.5) else net.head(x, size), act)

    return net, grow(dice, net, "x", most, block, 6)


def mixer(dice: Dice) -> tuple[Network, str]:
    """MLP-Mixer, and layers that act along several axes in turn."""
    tokens, width, act = dice.between(16, 256, 4), dice.between(64, 768, 16), dice.of(FEED_FORWARD)
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

    return net, grow(dice, net, "x", dice.flop(), block, 4)


def elements(dice: Dice) -> tuple[Network, str]:
    """Everything but products: norms, maps, reductions, movement, at any size."""
    if dice.chance(0.5):
        net, x = image(dice, 8, 256)
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
