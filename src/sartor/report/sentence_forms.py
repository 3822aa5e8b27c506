"""Sentences of the search by their form, with their Chinese: verdicts, and why a candidate stands where it does."""

from __future__ import annotations

from sartor.report.texts import Pair

# The form of a sentence -> Chinese. `label` is a candidate's label, `rest` is translated in turn.
SENTENCES: tuple[Pair, ...] = (
    (
        r"Met by (?P<label>.+): the model as it is; nothing tried was proved faster\.",
        "满足需求的方案：{label}，即原模型本身；尝试过的其他方案均未被证明更快。",
    ),
    (
        r"Met by (?P<label>.+): the model as it is; the time ended before (?P<count>\d+) others were tried\.",
        "满足需求的方案：{label}，即原模型本身；时间用完时还有 {count} 个方案未尝试。",
    ),
    (
        r"But beware: its (?P<metric>\w+) of (?P<value>[\d.]+) is not proved better than (?P<constant>[\d.]+), "
        r"which one constant answer gives\.",
        "但请注意：其 {metric} 为 {value}，未被证明优于恒定预测的 {constant}。",
    ),
    (
        r"Met by (?P<label>.+): (?P<times>[\d.]+)x (?P<ends>\[.+\]) the speed of the uncompressed model at its best\.",
        "满足需求的方案：{label}。速度为未压缩模型最佳配置的 {times} 倍 {ends}。",
    ),
    (
        r"Met by (?P<label>.+): the smallest (?P<least>size|memory) of all that meet every limit; "
        r"(?P<times>[\d.]+)x (?P<ends>\[.+\]) the speed of the uncompressed model\.",
        "满足需求的方案：{label}。在满足全部约束的方案中{least}最小；速度为未压缩模型的 {times} 倍 {ends}。",
    ),
    (
        r"Met by (?P<label>.+): as fast \((?P<times>[\d.]+)x (?P<ends>\[.+\])\) as the uncompressed model, "
        r"which itself does not meet the Need\.",
        "满足需求的方案：{label}。速度与未压缩模型相当（{times} 倍 {ends}），而未压缩模型本身不满足需求。",
    ),
    (
        r"Not met: the time budget ended before any candidate could be proved; give `budget: \{time: \.\.\.\}` more\.",
        "未满足：时间预算在任何候选得到证明之前已用完；请增大 `budget: {{time: ...}}`。",
    ),
    (r"Not met: no candidate is left\. See the reasons in the report\.", "未满足：没有剩余候选，原因见报告。"),
    (r"Not met: no candidate is left\. (?P<rest>.+)", "未满足：没有剩余候选。{rest}"),
    (r"Not met: (?P<limits>(?:`[^`]+`(?:, )?)+)\. (?P<rest>.+)", "未满足：{limits}。{rest}"),
    (
        r"To have it met, change (?P<changes>`[^`]+` to `[^`]+`(?:, (?:and )?`[^`]+` to `[^`]+`)*)\.",
        "若要满足，{changes}。",
    ),
    (
        r"With all else as asked, (?P<changes>`[^`]+` to `[^`]+`) would do: (?P<label>(?:(?!\. ).)+ shape)\.",
        "其余要求不变时，{changes}即可：{label}。",
    ),
    (
        r"Nearest to all limits: (?P<changes>`[^`]+` to `[^`]+`(?:, (?:and )?`[^`]+` to `[^`]+`)*): "
        r"(?P<label>(?:(?!\. ).)+ shape)\.",
        "与全部要求最接近：{changes}：{label}。",
    ),
    (
        r"Nothing seen bounds (?P<limit>`[^`]+`): give more confirm rows, or rows on which it varies\.",
        "现有数据无法给出 {limit} 的置信界：请提供更多 confirm 行，或使其取值有变化的行。",
    ),
    (
        r"(?P<limit>`[^`]+`) needs more timed calls than the time allowed: "
        r"give it more time with `budget: \{time: \.\.\.\}`\.",
        "在允许的时间内，{limit} 的计时调用次数不足：请用 `budget: {{time: ...}}` 给予更多时间。",
    ),
    (
        r"(?P<limit>`[^`]+`) could not be measured: give it more time with `budget: \{time: \.\.\.\}`\.",
        "{limit} 未能测量：请用 `budget: {{time: ...}}` 给予更多时间。",
    ),
    (
        r"What select shows is too close to (?P<limit>`[^`]+`) to be proved on confirm: "
        r"give more confirm rows, or a wider limit\.",
        "select 上的结果过于接近 {limit}，无法在 confirm 上证明：请提供更多 confirm 行，或放宽该约束。",
    ),
    (
        r"Give it more time with `budget: \{time: \.\.\.\}`: what was seen so far would do\.",
        "请用 `budget: {{time: ...}}` 给予更多时间：就目前所见已经足够。",
    ),
    (
        r"Infeasible: (?P<limit>`[^`]+`) cannot be met on this machine: (?P<rest>.+?)\. "
        r"The nearest that can be met: (?P<name>\S+) of (?P<figure>.+?) by (?P<label>.+)\. "
        r"With it, change (?P<changes>`[^`]+` to `[^`]+`(?:, (?:and )?`[^`]+` to `[^`]+`)*)\.",
        "不可行：这台机器无法满足 {limit}：{rest}。"
        "最接近且可满足的值：{name} 为 {figure}（{label}）。同时，{changes}。",
    ),
    (
        r"Infeasible: (?P<limit>`[^`]+`) cannot be met on this machine: (?P<rest>.+?)\. "
        r"The nearest that can be met: (?P<name>\S+) of (?P<figure>.+?) by (?P<label>.+)\.",
        "不可行：这台机器无法满足 {limit}：{rest}。最接近且可满足的值：{name} 为 {figure}（{label}）。",
    ),
    (
        r"Infeasible: (?P<limit>`[^`]+`) cannot be met on this machine: (?P<rest>.+)\.",
        "不可行：这台机器无法满足 {limit}：{rest}。",
    ),
    (r"even a model that does nothing gets (?P<floor>.+) here", "即使什么都不做的模型，在此也需要 {floor}"),
    (
        r"every candidate was built and measured, and each one's interval excludes it",
        "所有候选均已构建并测量，且每个候选的区间都排除了它",
    ),
    (
        r"Not proved yet: the best so far of a search that goes on or was interrupted\.",
        "尚未证明：这是仍在进行或被中断的搜索中目前最好的方案。",
    ),
)
REASONS: tuple[Pair, ...] = (
    (
        r"(?P<name>\S+) gives values up to (?P<apart>\S+) apart for the same answers: its intervals are as much wider",
        "{name} 对相同的输出给出最多相差 {apart} 的值：其区间相应加宽",
    ),
    (r"(?P<share>\d+%) of the weights in 8 bits", "{share} 的权重为 8 位"),
    (r"(?P<count>\d+) activations in 8 bits", "{count} 处激活值为 8 位"),
    (r"in f32 stay (?P<names>.+)", "保留 f32：{names}"),
    (r"7-bit weights: this processor's 8-bit sums would saturate", "权重为 7 位：此处理器的 8 位求和会饱和"),
    (r"(?P<after>\d+) operators in place of (?P<before>\d+)", "算子由 {before} 个减为 {after} 个"),
    (
        r"(?P<after>\d+) operators in place of (?P<before>\d+), (?P<count>\d+) of which are attention",
        "算子由 {before} 个减为 {after} 个，其中 {count} 个为注意力",
    ),
    (r"on (?P<rows>\d+) untouched rows", "基于 {rows} 行未接触过的数据"),
    (r"measured over fresh launches", "通过多次全新启动测量"),
    (r"the bytes of its model files", "其模型文件的字节数"),
    (r"its bound is beyond the limit", "其置信界超出约束"),
    (r"unproven: seen on select only, confirm was not opened", "未证明：仅在 select 上读取，未打开 confirm"),
    (r"unproven", "未证明"),
    (r"it is the baseline itself", "它就是基线本身"),
    (r"no candidate can meet it", "没有候选能满足"),
    (r"not looked at", "未考察"),
    (
        r"select says that confirm would probably not prove its quality",
        "select 上的结果表明，confirm 很可能无法证明其质量",
    ),
    (
        r"in quick launches the same file was faster with (?P<count>\d+) threads?, (?P<shape>\w+) shape",
        "在单次快速启动中，同一文件采用 {count} 线程、{shape}时更快",
    ),
    (
        r"timed side by side, the same file was faster with (?P<count>\d+) threads?, (?P<shape>\w+) shape",
        "并排计时，同一文件采用 {count} 线程、{shape}时更快",
    ),
    (r"no compression is known for the runtime (?P<name>.+)", "没有适用于运行时 {name} 的压缩方法"),
    (r"slower than the uncompressed model", "比未压缩模型慢"),
    (
        r"predicted (?P<figure>.+\]), and another setting took (?P<best>.+): not timed",
        "预测为 {figure}，而另一设置实测 {best}：未计时",
    ),
    (
        r"predicted (?P<figure>.+\]), and one that is almost sure to be proved took (?P<best>.+): not timed",
        "预测为 {figure}，而一个几乎必定得到证明的候选实测 {best}：未计时",
    ),
    (
        r"predicted (?P<figure>.+\]), and the uncompressed model took (?P<best>.+): not timed",
        "预测为 {figure}，而未压缩模型实测 {best}：未计时",
    ),
    (
        r"(?P<limit>\S+ [<>]= .+): predicted (?P<figure>.+\]), so not even the edge of the interval meets it",
        "{limit}：预测为 {figure}，区间边缘也达不到该约束",
    ),
    (r"not tried: the time budget ended first", "未尝试：时间预算已用完"),
    (r"training failed: (?P<rest>.+)", "训练失败：{rest}"),
    (
        r"another model meets the limits and is faster than this one could be",
        "另一个模型满足约束，且比该模型可能达到的速度更快",
    ),
    (r"(?P<limit>\S+ [<>]= .+): its files have (?P<size>.+)", "{limit}：其文件大小为 {size}"),
    (r"(?P<limit>\S+ [<>]= .+): took (?P<time>.+) in the screen", "{limit}：初筛用时 {time}"),
    (r"(?P<limit>\S+ [<>]= .+): gave (?P<rate>.+) in the screen", "{limit}：初筛吞吐量为 {rate}"),
    (
        r"(?P<limit>\S+ [<>]= .+): excluded at 99\.9% after (?P<rows>\d+) rows of select",
        "{limit}：在 select 的 {rows} 行上以 99.9% 的置信度排除",
    ),
    (
        r"unsupported: nothing to quantize: (?P<share>.+) of the weights belong to operators with 8-bit kernels",
        "不支持：没有可量化的部分：仅 {share} 的权重属于具有 8 位内核的算子",
    ),
    (
        r"unsupported: nothing to quantize: no operator with 8-bit kernels has weights",
        "不支持：没有可量化的部分：具有 8 位内核的算子均不含权重",
    ),
    (r"unsupported: nothing to compress: the model has no large f32 weights", "不支持：没有可压缩的大型 f32 权重"),
    (
        r"memory: (?P<held>\S+ MB) of the budget are left, and to start a worker takes (?P<limit>.+)",
        "内存不足：预算仅剩 {held}，而启动工作进程需要 {limit}",
    ),
    (r"hang: no answer within (?P<time>.+)", "无响应：{time} 内没有应答"),
    (
        r"memory: (?P<held>\S+ MB) in all, over the limit of (?P<limit>.+)",
        "内存不足：共占用 {held}，超过上限 {limit}",
    ),
    (r"(?P<step>.+) in (?P<runtime>\w+)", "{runtime} 中的{step}"),
    (r"shape policy (?P<shape>\w+)", "形状策略：{shape}"),
    (
        r"`mixed` is NNCF's name for unsigned activations, which ONNX Runtime always gets",
        "`mixed` 是 NNCF 对无符号激活的称呼，ONNX Runtime 始终使用无符号激活",
    ),
    (r"NNCF has no entropy calibration", "NNCF 没有熵校准"),
    (
        r"OpenVINO quantizes activations ahead of time only; int8 static serves it",
        "OpenVINO 只支持提前量化激活；请用 int8 静态量化",
    ),
    (
        r"OpenVINO fuses operators, those of attention as well, while it loads a file",
        "OpenVINO 在加载文件时会自行融合算子，包括注意力",
    ),
    (
        r"unsupported: nothing to fuse: (?P<count>\d+) operators stay as they are",
        "不支持：没有可融合的算子：{count} 个算子保持原样",
    ),
    (
        r"unsupported: no branch can be left out: no sum x \+ f\(x\) has f\(x\) in the shape of x",
        "不支持：没有可去掉的分支：没有 f(x) 与 x 形状相同的和 x + f(x)",
    ),
    (
        r"(?P<model>\S+) in (?P<runtime>\w+), layers in f32: (?P<count>\d+)",
        "{model}，{runtime}，保留 f32 的层数：{count}",
    ),
    (
        r"would take about (?P<figure>.+): no faster than what will probably be proved, (?P<best>.+)",
        "预计用时约 {figure}：不快于很可能得到证明的方案（{best}）",
    ),
    (r"shape policy buckets in (?P<runtime>\w+)", "{runtime} 的形状策略：分桶"),
    (r"nothing is compiled per shape: padding would only add work", "不会按形状编译：填充只会增加计算量"),
    (r"rows of (?P<model>\S+) differ in length", "{model} 的各行长度不同"),
    (r"(?P<cpu>.+) has no vector instructions for 8-bit products", "{cpu} 没有用于 8 位乘积的向量指令"),
    (r"(?P<model>.+) has a symbolic size beside the batch", "{model} 除批大小外还有符号维度"),
    (r"all rows of (?P<model>.+) have one shape", "{model} 的所有行形状相同"),
    (r"the batch of (?P<model>.+) is a constant of its file", "{model} 的批大小是文件中的常量"),
    (
        r"batch (?P<batch>\d+): a power of two near (?P<rows>\d+) rows / (?P<steps>\d+) steps an epoch",
        "批大小 {batch}：接近 {rows} 行 ÷ 每轮 {steps} 步的 2 的幂",
    ),
    (
        r"(?P<epochs>\d+) epochs: about (?P<total>\d+) steps at (?P<steps>\d+) an epoch, 5 to 40 epochs",
        "{epochs} 轮：约 {total} 步，每轮 {steps} 步，限 5 至 40 轮",
    ),
    (
        r"learning rate (?P<rate>\S+): (?P<base>\S+) at batch (?P<batch>\d+), by the square root of the batch",
        "学习率 {rate}：批大小 {batch} 时为 {base}，按批大小的平方根缩放",
    ),
    (
        r"1 thread of (?P<threads>\d+): a step takes only (?P<cost>.+) GFLOP",
        "{threads} 个线程中只用 1 个：每步仅需 {cost} GFLOP",
    ),
    (
        r"bfloat16: this CPU has it and a step takes (?P<cost>.+) GFLOP",
        "bfloat16：此 CPU 支持，且每步需要 {cost} GFLOP",
    ),
    (
        r"made out of the given train: (?P<names>.+) in proportion (?P<shares>[\d/]+), (?P<rules>.+)",
        "从给定的 train 中划分：{names}，比例 {shares}，{rules}",
    ),
    (
        r"made: (?P<names>.+) in proportion (?P<shares>[\d/]+), (?P<rules>.+)",
        "自动划分：{names}，比例 {shares}，{rules}",
    ),
    (r"given: (?P<names>.+)", "给定：{names}"),
    (r"nothing goes to train, since nothing is trained", "没有数据用于 train，因为不进行训练"),
    (
        r"nothing goes to train, since nothing is trained; its rows are not used",
        "没有数据用于 train，因为不进行训练；其中的行未使用",
    ),
    (
        r"(?P<rows>\d+) rows left (?P<split>\w+) because they also stand in another split",
        "{rows} 行因同时出现在其他划分中而移出 {split}",
    ),
)
