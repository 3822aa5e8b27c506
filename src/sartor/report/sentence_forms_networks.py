"""More sentences by their form: smaller networks, training back, weights in fewer bits."""

from __future__ import annotations

from sartor.report.texts import Pair

NETWORK_REASONS: tuple[Pair, ...] = (
    # The search over sizes
    (r"trained back: (?P<rest>.+)", "恢复训练：{rest}"),
    (
        r"stopped at (?P<share>\d+%): (?P<best>[-\d.]+) and likely to end near (?P<end>[-\d.]+), "
        r"where (?P<needed>[-\d.]+) is needed",
        "在 {share} 处停止：当前 {best}，预计最终约为 {end}，而需要 {needed}",
    ),
    (
        r"slower in a quick launch than (?P<label>.+), which took (?P<time>.+) in one and will probably do",
        "单次快速启动中慢于 {label}：后者用时 {time}，且很可能得到证明",
    ),
    (
        r"no other size is likely to be better than (?P<time>.+): the probability is (?P<chance>.+)",
        "其他大小都不太可能优于 {time}：概率为 {chance}",
    ),
    (
        r"the time ended before another size was better than (?P<time>.+): the probability is (?P<chance>.+)",
        "在其他大小优于 {time} 之前时间已用完：仍有 {chance} 的概率",
    ),
    (
        r"no other size is likely to be good enough: the probability is (?P<chance>.+)",
        "其他大小都不太可能满足要求：概率为 {chance}",
    ),
    (
        r"the time ended before another size was good enough: the probability is (?P<chance>.+)",
        "在其他大小满足要求之前时间已用完：仍有 {chance} 的概率",
    ),
    (r"pruning (?P<model>\S+)", "剪枝 {model}"),
    (
        r"each batch in (?P<parts>\d+) parts, whose gradients are added up: memory ran out with larger ones",
        "每批分为 {parts} 份并累加梯度：更大的份会用尽内存",
    ),
    (
        r"memory: training ran out of memory, even with each batch in (?P<parts>\d+) parts",
        "内存不足：即使每批分为 {parts} 份，训练仍用尽内存",
    ),
    # Why a network cannot become smaller
    (
        r"unsupported: no channels, heads or hidden units can be cut out\.",
        "不支持：没有可以剪去的通道、注意力头或隐藏单元。",
    ),
    (
        r"unsupported: no channels, heads or hidden units can be cut out\. (?P<rest>.+)",
        "不支持：没有可以剪去的通道、注意力头或隐藏单元。{rest}",
    ),
    (
        r"unsupported: with the fewest channels that may be left its layers take (?P<time>.+), and (?P<asked>.+) are "
        r"aimed at",
        "不支持：即使只留最少的通道，各层仍需 {time}，而目标为 {asked}",
    ),
    (
        r"unsupported: with lower ranks a call takes (?P<share>\d+%) of its time at best, "
        r"(?P<asked>\d+%) was asked for",
        "不支持：降低秩后单次调用最少仍需原时间的 {share}，而要求为 {asked}",
    ),
    (r"unsupported: its weights cannot be learnt: (?P<rest>.+)", "不支持：其权重无法训练：{rest}"),
    # Weights in fewer bits
    (
        r"unsupported: nothing to compress: no product, convolution or table has large weights",
        "不支持：没有可压缩的部分：没有乘积、卷积或查找表含有大型权重",
    ),
    (
        r"unsupported: nothing to compress: no product has a matrix of weights",
        "不支持：没有可压缩的部分：没有乘积含有权重矩阵",
    ),
    (
        r"unsupported: nothing to compress: NNCF stores no weight of this model in (?P<bits>\d) bits",
        "不支持：没有可压缩的部分：NNCF 不会把该模型的任何权重存为 {bits} 位",
    ),
    (
        r"8-bit weights have one scale for each output \(group 0\), not one for each (?P<group>\d+) weights",
        "8 位权重每个输出一个缩放因子（group 0），而不是每 {group} 个权重一个",
    ),
    (
        r"4-bit weights come in groups of (?P<groups>[\d, ]+), not of (?P<group>\S+)",
        "4 位权重的分组大小可为 {groups}，不能为 {group}",
    ),
    # What a runtime does not offer
    (r"unsupported: nothing to correct: .+", "不支持：没有可修正的偏置"),
    (r"NNCF corrects biases in every calibration already", "NNCF 在每种校准中都已修正偏置"),
    (r"ONNX Runtime's CPU provider has no (?P<precision>\w+) kernels", "ONNX Runtime 的 CPU 后端没有 {precision} 内核"),
    (
        r"OpenVINO does not compute in (?P<precision>\w+) on this processor \(it offers (?P<offered>.+)\)",
        "OpenVINO 在此处理器上不能以 {precision} 计算（可用：{offered}）",
    ),
    (r"(?P<precision>bf16|f32) arithmetic in (?P<runtime>\w+)", "{runtime} 中的 {precision} 计算"),
    (
        r"(?P<label>.+) is no slower and almost sure to be proved",
        "{label} 不比它慢，且几乎肯定能得到证明",
    ),
)
