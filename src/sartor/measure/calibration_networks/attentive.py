"""Families that attend: encoders, decoders, windows, and convolutions around attention."""

from __future__ import annotations

import math

import numpy as np

from sartor.measure.calibration_networks.dice import FEED_FORWARD, Dice, grow
from sartor.measure.network import Network


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


def encoder(dice: Dice) -> tuple[Network, str]:
    length = dice.of((8, 16, 24, 32, 49, 64, 65, 100, 128, 197, 256, 384))
    width, head = dice.between(96, 1024, 32), dice.one(16, 32, 32, 48, 64, 64, 64)
    heads = max(1, width // head)
    act, ratio, before = dice.of(FEED_FORWARD), dice.one(1, 2, 4, 4, 4), dice.chance(0.5)
    mask, guarded = dice.one("", "", "same", "bias"), dice.chance(0.4)
    if dice.chance(0.4):
        rows = dice.one(1000, 8000, 30000)
        net = Network((length,), rows)
        places = net.weight((1, length, width))
        if dice.chance(0.5):  # of a table for longer texts, as BERT's are exported
            table = net.weight((dice.one(512, 512, 1024, 2048), width))
            places = net.add("Gather", [table, net.constant(np.arange(length)[None])], (1, length, width))
        x = net.layer_norm(net.map("Add", net.embed("x", rows, width), places))
    else:
        net, x = Network((length, width)), "x"

    def block(x: str) -> str:
        inner = net.layer_norm(x) if before else x
        out = net.plus(attention(net, inner, heads, head, mask, "", guarded), x)
        out = out if before else net.layer_norm(out)
        inner = net.layer_norm(out) if before else out
        after = net.plus(net.dense(net.act(net.dense(inner, ratio * width), act), width), out)
        return after if before else net.layer_norm(after)

    return net, grow(dice, net, x, dice.flop(), block, 6)


def decoder(dice: Dice) -> tuple[Network, str]:
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

    return net, grow(dice, net, net.embed("x", rows, width), dice.flop(), block, 4)


def windows(dice: Dice) -> tuple[Network, str]:
    """Swin: attention inside windows, sometimes shifted."""
    window, across = dice.one(4, 7, 7, 8), dice.one(1, 2, 4, 8)
    side = window * across
    head = dice.one(16, 24, 32, 32)
    heads = dice.one(2, 3, 4, 6, 8, 12)
    width, shifted, act = head * heads, dice.chance(0.5) and across > 1, dice.of(FEED_FORWARD)
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

    return net, grow(dice, net, "x", dice.flop(), block, 4)


def hybrid(dice: Dice) -> tuple[Network, str]:
    """Convolutions around attention with fewer keys than queries: PVT, CvT, MobileViT, LeViT."""
    side, head = dice.one(7, 8, 12, 14, 16, 20, 28), dice.one(16, 32, 64)
    heads = dice.one(1, 2, 4, 6, 8)
    width, act, reduce = head * heads, dice.of(FEED_FORWARD), dice.one(1, 1, 2, 4)
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

    return net, grow(dice, net, "x", dice.flop(), block, 3)
