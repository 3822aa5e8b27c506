"""Families that go along time: recurrent ones and those of sound."""

from __future__ import annotations

from sartor.measure.calibration_networks.dice import Dice, grow
from sartor.measure.network import Network


def recurrent(dice: Dice) -> tuple[Network, str]:
    length, width = dice.between(16, 160), dice.between(32, 640, 16)
    net = Network((length, dice.between(16, 512, 4)))
    kind, both = dice.one("LSTM", "GRU"), dice.chance(0.4)
    x = net.act(net.dense("x", width), "relu") if dice.chance(0.3) else "x"

    def block(x: str) -> str:
        return net.recurrent(x, kind, width, both)

    x = grow(dice, net, x, 0.5 * dice.flop(), block, dice.one(1, 2, 2, 3))
    return net, net.dense(x, dice.between(8, 256))


def sound(dice: Dice) -> tuple[Network, str]:
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
        kernel = dice.one(2, 3, 3, 5) if groups == 1 else dice.one(1, 1, 16, 31, 64)
        x = net.conv(x, width, kernel, 2 if long else 1, groups)
        if way == "instance":
            x = net.instance_norm(x)
        if way == "layer":
            x = net.transpose(net.layer_norm(net.transpose(x, (0, 2, 1))), (0, 2, 1))
        return net.act(x, act)

    x = grow(dice, net, x, dice.flop(), block, 6)
    if dice.chance(0.4):  # the convolution module of a Conformer
        wide = net.conv(x, 2 * width, 1)
        gate = net.act(net.slice(wide, 1, width, 2 * width), "sigmoid")
        x = net.times(net.slice(wide, 1, 0, width), gate)
        x = net.conv(net.act(net.conv(x, width, dice.one(15, 31), 1, width), "silu"), width, 1)
    return net, net.dense(net.transpose(x, (0, 2, 1)), dice.between(32, 512, 16))
