"""The fixed texts on smaller networks and on layers in 8 bits, in English and in Chinese."""

from __future__ import annotations

NETWORK_TEXTS: dict[str, tuple[str, str]] = {
    # Steps
    "prune": ("pruned", "剪枝"),
    "low-rank": ("low rank", "低秩分解"),
    "zeros": ("zeros in weights", "权重置零"),
    "recover": ("recovered", "恢复训练"),
    "int8-weights": ("int8 weights", "int8 权重"),
    "int4-weights": ("int4 weights", "int4 权重"),
    # Smaller networks
    "smaller": ("Smaller networks", "更小的网络"),
    "smaller_how": (
        "Each network is the model without what its answers depend on least, cut to a share of the time that its "
        "layers take. Sizes were first tried as they were cut, which takes seconds. Some that lost too much were then "
        "trained for a short while on the answers of the whole model: always the one with the largest expected gain "
        "per minute.",
        "每个网络都是从模型中去掉对输出影响最小的部分得到的，各层用时压缩到原来的一定比例。"
        "各种大小先在剪枝后直接试用，这只需数秒；其中损失过多的，有一部分再用完整模型的输出短暂训练："
        "总是选择每分钟预期收益最大的一个。",
    ),
    "size_picture": ("Quality by share of the time", "质量与用时占比"),
    "size_picture_how": (
        "100% is the whole network. A line joins networks that are stored in one form: dotted as they were cut, solid "
        "after training. Crosses below, where there are any, were not read; the table says why.",
        "100% 为完整网络。连线表示以同一种形式存储的网络：虚线为剪枝后直接使用，实线为训练之后。"
        "下方若有叉，表示未读取质量，原因见表。",
    ),
    "as_cut": ("as cut", "剪枝后直接使用"),
    "axis_share": ("share of the layers’ time", "各层用时占比"),
    "recovery_picture": ("Validation while training back", "恢复训练中的验证得分"),
    "sizes_caption": ("Size by size", "逐个大小"),
    "sizes_ended": ("Why it ended:", "结束原因："),
    "size_share": ("Share of the layers’ time, as aimed at", "各层用时占比（目标）"),
    "time_of_call": ("Time of a call", "单次调用时间"),
    "trained_for": ("Training", "训练"),
    "epochs_in": ("{time}, epochs: {epochs}", "{time}，{epochs} 轮"),
    # What the chosen network kept
    "kept_picture": ("What each layer of the chosen network kept", "选定网络各层的保留比例"),
    "kept_how": (
        "Share of a layer’s weights that stayed, in the order of the file. {kept} of {weights} weights stayed in all.",
        "各层保留的权重比例，按文件中的顺序排列。共保留 {weights} 个权重中的 {kept} 个。",
    ),
    "axis_kept": ("weights kept", "保留的权重"),
    "axis_layer": ("layer", "层"),
    "kept_of": ("{kept} of {weights} weights", "{weights} 个权重中的 {kept} 个"),
    # Layers in 8 bits
    "sensitivities": ("Layers in 8 bits", "8 位量化的各层"),
    "sensitivity_picture": ("What each layer’s 8 bits change of the answers", "各层的 8 位量化对输出的影响"),
    "sensitivity_how": (
        "Each layer of {model} was rounded to 8 bits alone, on {rows} rows. A bar is the mean squared change of the "
        "answers, as a share of their variance. Added up they make {sum}; all layers at once make {together}.",
        "在 {rows} 行数据上，逐一将 {model} 的每一层单独舍入到 8 位。条形为输出的均方变化占其方差的比例。"
        "各层之和为 {sum}；所有层同时舍入为 {together}。",
    ),
    "axis_error": ("share of the variance (log)", "占方差的比例（对数）"),
    "in_8_bits": ("8 bits in the chosen file", "选定文件中为 8 位"),
    "left_in_f32": ("f32 in the chosen file", "选定文件中为 f32"),
}
