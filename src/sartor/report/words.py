"""Every fixed text of the report in English and in Chinese, and Chinese for the sentences that the search writes.

The search writes its reasons in English. Those that come from a fixed set are recognised here by their form;
a sentence of another form stays English, which is always right, only less comfortable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Language = Literal["en", "zh"]
Pair = tuple[str, str]

TEXTS: dict[str, Pair] = {
    # The frame
    "page": ("Sartor report", "Sartor 报告"),
    "switch": ("Language", "语言"),
    "contents": ("Contents", "目录"),
    "needs_script": (
        "The pictures need JavaScript; every number in them also stands in the tables.",
        "图表需要 JavaScript；图中的每个数字也都列在表格里。",
    ),
    "drawing": ("Drawing the picture…", "正在绘图……"),
    "not_drawn": (
        "This browser is too old to draw the picture; every number in it also stands in the tables.",
        "浏览器版本过旧，无法绘图；图中的每个数字也都列在表格里。",
    ),
    # Verdict
    "verdict": ("Verdict", "结论"),
    "met": ("Met", "满足"),
    "not_met": ("Not met", "未满足"),
    "infeasible": ("Infeasible", "不可行"),
    "provisional": ("Not proved yet", "尚未证明"),
    "limit_met": ("met", "满足"),
    "limit_not_met": ("not met", "未满足"),
    "limit": ("Limit", "约束"),
    "bound": ("Bound", "界限"),
    "value": ("Value and interval", "数值与区间"),
    "against": ("Against the bound", "与界限对比"),
    "outcome": ("Outcome", "判定"),
    "why": ("Why", "原因"),
    "source": ("Source", "来源"),
    "not_measured": ("not measured", "未测量"),
    "not_judged": ("not judged yet", "尚未判定"),
    "limits_caption": ("Limit by limit", "逐条约束"),
    "bar_legend": (
        "Bars: the shaded side is allowed, the upright line is the bound, the thick line is the interval, the dot is "
        "the value. “log” marks a logarithmic bar. A limit is met when the whole of the interval’s far end is inside.",
        "区间条：阴影一侧为允许范围，竖线为界限，粗线为置信区间，圆点为测得值；标有 log 的为对数刻度。"
        "只有区间中靠近界限的一端也落在允许范围内，才算满足约束。",
    ),
    "one_sided": (
        "Each end of an interval is a one-sided bound. The Need asks for {confidence} confidence.",
        "区间的每一端都是单侧置信界；需求要求的置信度为 {confidence}。",
    ),
    "no_limits": ("The Need sets no limit.", "需求没有设定约束。"),
    "binding": ("The limit that binds", "起决定作用的约束"),
    "nearest": ("The nearest that can be met", "最接近且可满足的值"),
    # What was chosen
    "chosen": ("What was chosen", "选定的方案"),
    "nothing_chosen": ("Nothing was chosen.", "没有选定任何方案。"),
    "best_so_far": (
        "The best so far stands in the bundle: {name}. It loads and predicts, but nothing is proved.",
        "bundle 中保存的是目前最好的方案：{name}。它可以加载和预测，但尚未经过任何证明。",
    ),
    "beside_zero": ("The chosen candidate beside candidate zero", "选定方案与零号候选（基线）对比"),
    "is_zero": (
        "Candidate zero itself was chosen: the uncompressed model at its best runtime and threads. "
        "Its speed-up is 1 by definition.",
        "选定的就是零号候选，即采用最佳运行时与线程数的未压缩模型；按定义，加速比为 1。",
    ),
    "zero_is": (
        "Candidate zero is the chosen model’s own uncompressed f32 version at its best runtime and threads.",
        "零号候选是同一模型未压缩的 f32 版本，采用其最佳运行时与线程数，作为基线。",
    ),
    "figure": ("Figure", "指标"),
    "the_chosen": ("Chosen", "选定方案"),
    "the_zero": ("Candidate zero", "零号候选"),
    "ratio": ("Ratio", "比值"),
    "model": ("Model", "模型"),
    "recipe": ("Recipe", "压缩方案"),
    "runtime": ("Runtime", "运行时"),
    "settings": ("Settings", "设置"),
    "parameters": ("Parameters", "参数量"),
    "threads": ("{count} threads", "{count} 线程"),
    "one_thread": ("1 thread", "1 线程"),
    "batch": ("batch {count}", "批大小 {count}"),
    "shape_fixed": ("fixed shape", "固定形状"),
    "shape_dynamic": ("dynamic shape", "动态形状"),
    "shape_buckets": ("shape buckets", "形状分桶"),
    "computes_in": ("computes in {precision}", "以 {precision} 计算"),
    "latency_p50": ("latency p50", "延迟 p50"),
    "latency_p90": ("latency p90", "延迟 p90"),
    "latency_p99": ("latency p99", "延迟 p99"),
    "throughput": ("throughput", "吞吐量"),
    "size": ("size", "模型大小"),
    "memory": ("memory", "内存"),
    "memory_peak": ("peak memory", "峰值内存"),
    "accuracy": ("accuracy", "准确率"),
    "f1": ("F1 (macro)", "F1（宏平均）"),
    "auc": ("AUC", "AUC"),
    "rmse": ("RMSE", "RMSE"),
    "drop_of": ("drop of {metric}", "{metric}下降"),
    "on_split": ("{metric} on {split}", "{metric}（{split}）"),
    "speedup": ("Speed-up", "加速比"),
    "resolution": ("Resolution", "测量分辨率"),
    "resolution_is": (
        "Two launches of one and the same file differ by up to {resolution} on this machine: no finer difference "
        "is claimed.",
        "在这台机器上，同一文件的两次启动最多相差 {resolution}；更小的差异不作为结论。",
    ),
    "faster": ("The interval lies above 1: faster.", "区间整体大于 1：确实更快。"),
    "slower": ("The interval lies below 1: slower.", "区间整体小于 1：更慢。"),
    "no_difference": (
        "The interval contains 1: no difference in speed is proved.",
        "区间包含 1：没有证明速度有差异。",
    ),
    "noise": ("Noise", "噪声"),
    "noisy": (
        "Noisy: other work kept disturbing the machine, and some rounds had to be accepted although they were "
        "disturbed. Intervals are wider for it; measure again on a quiet machine before relying on small differences.",
        "有噪声：测量期间机器持续受到其他任务干扰，部分轮次虽受干扰仍被采用，区间因此更宽。"
        "如需依据微小差异作决定，请在空闲机器上重新测量。",
    ),
    "quiet": (
        "Quiet: no disturbed round had to be accepted.",
        "未受干扰：没有采用任何受干扰的轮次。",
    ),
    "repeated_rounds": ("Rounds repeated for noise: {count}.", "因噪声重测的轮次：{count}。"),
    # Every candidate
    "candidates": ("Every candidate", "全部候选"),
    "picture": ("Quality against latency, every candidate", "全部候选的质量与延迟"),
    "picture_how": (
        "Colour is the recipe, form is how far a candidate came: star chosen, diamond finalist, disc passed, "
        "open circle rejected, cross failed; a ring marks candidate zero. "
        "Below are candidates whose quality was never read; the table says why. "
        "Point at a marker, or tap it, for its details.",
        "颜色表示压缩方案，形状表示进展：星形为选定，菱形为入围，实心圆为通过，空心圆为淘汰，叉为失败；外环标出零号候选。"
        "下方区域的候选没有读取质量，原因见表。指向或点按标记可查看详情。",
    ),
    "medians": (
        "Points are medians; a limit on another quantile is drawn where that quantile would have to be.",
        "图中各点为中位数；针对其他分位数的约束画在该分位数应处的位置。",
    ),
    "without_latency": (
        "{count} candidates have no latency, since they could not be built or run; they stand in the table.",
        "{count} 个候选未能构建或运行，因此没有延迟数据；它们列在下表中。",
    ),
    "axis_latency": ("median latency of one call (log)", "单次调用的中位延迟（对数）"),
    "axis_quality": ("{metric} on select", "{metric}（select 划分）"),
    "axis_none": ("quality<br>not read", "未读取<br>质量"),
    "all_candidates": ("All {count} candidates", "全部 {count} 个候选"),
    "no_candidates": ("No candidate was built.", "没有构建任何候选。"),
    "filter": ("Filter by text", "按文字筛选"),
    "filter_hint": ("e.g. int8 openvino", "例如 int8 openvino"),
    "every_status": ("every status", "全部状态"),
    "shown": ("shown.", "个候选。"),
    "sort_hint": ("A heading sorts; once more turns the order round.", "点按表头可排序，再次点按则反转顺序。"),
    "candidate": ("Candidate", "候选"),
    "status": ("Status", "状态"),
    "latency": ("Latency p50", "延迟 p50"),
    "quality": ("Quality", "质量"),
    "file_size": ("Size", "大小"),
    "at_this_point": ("at this point", "位于此点"),
    "close": ("Close", "关闭"),
    "from_screen": ("one quick launch", "单次快速启动"),
    "from_launches": ("fresh launches", "多次全新启动"),
    "planned": ("planned", "计划中"),
    "screened": ("screened", "已初筛"),
    "rejected": ("rejected", "已淘汰"),
    "failed": ("failed", "失败"),
    "passed": ("passed", "通过"),
    "finalist": ("finalist", "入围"),
    "status_chosen": ("chosen", "选定"),
    "why_passed": (
        "its quality was read on select; another was preferred",
        "已在 select 上读取质量；优先选择了其他候选",
    ),
    "why_finalist": ("timed over fresh launches; another was preferred", "已用多次全新启动计时；优先选择了其他候选"),
    "why_screened": (
        "timed once; nothing more was needed or there was no time",
        "只计时一次；无需进一步测量或时间已用完",
    ),
    "why_planned": ("not tried", "未尝试"),
    "refused": ("Refused combinations", "被拒绝的组合"),
    "refused_how": (
        "These were never candidates: they cannot apply here.",
        "这些组合在此处不适用，因此从未成为候选。",
    ),
    "combination": ("Combination", "组合"),
    "no_refusals": ("No combination was refused.", "没有被拒绝的组合。"),
    # Training
    "training": ("Training", "训练"),
    "no_training": ("Nothing was trained.", "没有进行训练。"),
    "loss": ("Loss", "损失"),
    "loss_how": ("solid: training, dotted: validation", "实线：训练，虚线：验证"),
    "validation": ("Validation score", "验证得分"),
    "validation_how": ("the ring marks the epoch that was kept", "圆环标出保留的轮次"),
    "epoch": ("epoch", "轮次"),
    "epochs": ("Epochs", "训练轮数"),
    "best_epoch": ("Kept epoch", "保留轮次"),
    "learning_rate": ("Learning rate", "学习率"),
    "batch_size": ("Batch", "批大小"),
    "time": ("Time", "用时"),
    "reused": ("reused from an earlier run", "沿用先前运行的结果"),
    "settings_why": ("Why these settings", "设置的依据"),
    "train_curve": ("{model}, training", "{model}，训练"),
    "validation_curve": ("{model}, validation", "{model}，验证"),
    # Splits
    "splits": ("Data splits", "数据划分"),
    "no_splits": ("Nothing is known of the data splits.", "没有数据划分的信息。"),
    "split": ("Split", "划分"),
    "rows": ("Rows", "行数"),
    "used_for": ("Used for", "用途"),
    "hash": ("Hash of its rows", "行数据哈希"),
    "train_is": ("training; early stopping uses a slice of it", "训练；早停使用其中一部分"),
    "calibrate_is": ("ranges of activations for quantization", "量化时统计激活值范围"),
    "select_is": ("the search: seen as often as it likes", "搜索：可反复查看"),
    "confirm_is": ("the proof: untouched until the end", "证明：最终阶段之前不接触"),
    "how_made": ("How they were made", "划分方式"),
    "duplicates": ("Duplicate rows dropped", "去除的重复行"),
    "baseline_model": ("Baseline of every drop", "各项下降的基线模型"),
    "openings": ("Confirm was opened", "confirm 打开次数"),
    "opened_times": ("{count} time(s), this one included", "{count} 次（含本次）"),
    "never_opened": ("not opened in this run", "本次运行未打开"),
    "error_budget": ("Error allowed to this opening", "本次打开允许的错误率"),
    "error_budget_is": (
        "{total}: {first} for the finalist, {fallback} for one fallback",
        "{total}：入围者 {first}，一个后备 {fallback}",
    ),
    "error_left": ("Error left for the next opening", "下次打开剩余的错误率"),
    "error_left_is": ("{left}; each opening halves it", "{left}；每打开一次减半"),
    # Machine
    "machine": ("Machine and run", "机器与运行"),
    "cpu": ("Processor", "处理器"),
    "architecture": ("Architecture", "架构"),
    "cores": ("Cores", "核心数"),
    "isa": ("Instruction sets", "指令集"),
    "isa_class": ("Class for proofs", "证明适用的指令集类别"),
    "memory_bytes": ("Memory", "内存"),
    "os": ("System", "操作系统"),
    "versions": ("Versions", "版本"),
    "elapsed": ("Time taken", "总用时"),
    "trials": ("Trials", "试验"),
    "trials_are": ("{run} run, {reused} reused", "运行 {run} 次，复用 {reused} 次"),
    # Running it
    "run": ("Run the result", "运行结果"),
    "no_bundle": (
        "There is no bundle to run: no candidate can meet the Need.",
        "没有可运行的 bundle：没有候选能满足需求。",
    ),
    "in_shell": ("In a shell", "命令行"),
    "in_python": ("In Python", "Python"),
    "the_need": ("The Need", "需求（Need）"),
    "copy": ("Copy", "复制"),
    "copied": ("Copied", "已复制"),
    # Sources of figures
    "measured": ("measured", "实测"),
    "calibrated": ("calibrated", "校准预测"),
    "roofline": ("roofline", "屋顶线模型估计"),
    "published": ("published", "公开数据"),
    "assumed": ("assumed", "假定"),
    "exact": ("exact", "精确值"),
    # Tasks
    "image-classification": ("image classification", "图像分类"),
    "text-classification": ("text classification", "文本分类"),
    "tabular-classification": ("tabular classification", "表格分类"),
    "tabular-regression": ("tabular regression", "表格回归"),
    "audio-classification": ("audio classification", "音频分类"),
    # Recipes
    "none_step": ("f32, uncompressed", "f32，未压缩"),
    "fp16-weights": ("fp16 weights", "fp16 权重"),
    "int8-dynamic": ("int8 dynamic", "int8 动态量化"),
    "int8-static": ("int8 static", "int8 静态量化"),
    "calibration": ("{name} calibration", "{name} 校准"),
}

RUNTIME_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}

# The form of a sentence -> Chinese. `label` is a candidate's label, `rest` is translated in turn.
_SENTENCES: tuple[Pair, ...] = (
    (
        r"Met by (?P<label>.+): the model as it is; nothing tried was proved faster\.",
        "满足需求的方案：{label}，即原模型本身；尝试过的其他方案均未被证明更快。",
    ),
    (
        r"Met by (?P<label>.+): (?P<times>[\d.]+)x (?P<ends>\[.+\]) the speed of the uncompressed model at its best\.",
        "满足需求的方案：{label}。速度为未压缩模型最佳配置的 {times} 倍 {ends}。",
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
    (r"To have it met, change (?P<old>`[^`]+`) to (?P<new>`[^`]+`)\.", "若要满足，可将 {old} 改为 {new}。"),
    (
        r"Nothing seen bounds (?P<limit>`[^`]+`): give more confirm rows, or rows on which it varies\.",
        "现有数据无法给出 {limit} 的置信界：请提供更多 confirm 行，或使其取值有变化的行。",
    ),
    (
        r"(?P<limit>`[^`]+`) could not be measured: give it more time with `budget: \{time: \.\.\.\}`\.",
        "{limit} 未能测量：请用 `budget: {{time: ...}}` 给予更多时间。",
    ),
    (
        r"Give it more time with `budget: \{time: \.\.\.\}`: what was seen so far would do\.",
        "请用 `budget: {{time: ...}}` 给予更多时间：就目前所见已经足够。",
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
_REASONS: tuple[Pair, ...] = (
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
        r"the same file was faster with (?P<count>\d+) thread\(s\), (?P<shape>\w+) shape",
        "同一文件采用 {count} 线程、{shape}时更快",
    ),
    (r"slower than the uncompressed model", "比未压缩模型慢"),
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
    (r"(?P<cpu>.+) has no vector instructions for 8-bit products", "{cpu} 没有用于 8 位乘积的向量指令"),
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
_FORMS = tuple((re.compile(form, re.DOTALL), chinese) for form, chinese in (*_SENTENCES, *_REASONS))
_LABEL = re.compile(
    r"(?P<model>.+?), (?P<step>[^,]+), (?P<runtime>\w+), (?P<threads>\d+) threads?, (?P<shape>\w+) shape"
)
_STEP = re.compile(
    r"(?P<name>f32|bf16|fp16 weights|int8 dynamic|int8 static|bf16 arithmetic|f32 arithmetic)"
    r"(?: \((?P<setting>[\w, ]+)\))?(?: \+ (?P<precision>\w+))?"
)
_STEP_NAMES = {
    "fp16 weights": "fp16 权重",
    "int8 dynamic": "int8 动态量化",
    "int8 static": "int8 静态量化",
    "bf16 arithmetic": " bf16 计算",
    "f32 arithmetic": " f32 计算",
}
_RULES = {"stratified by class": "按类别分层", "groups kept together": "同组不拆分"}


def text(key: str, language: Language, **values: Any) -> str:
    """One fixed text, with `values` put in.

    >>> text("threads", "zh", count=4)
    '4 线程'
    """
    return TEXTS[key][language == "zh"].format(**values)


def known(key: str, language: Language) -> str:
    """A fixed text, or the word itself where there is none, as for a metric or runtime of the user's own."""
    return text(key, language) if key in TEXTS else RUNTIME_NAMES.get(key, key)


def limit_name(name: str, language: Language) -> str:
    """A limit in words.

    >>> limit_name("accuracy_drop", "en"), limit_name("accuracy_drop", "zh")
    ('drop of accuracy', '准确率下降')
    """
    if name.endswith("_drop"):
        return text("drop_of", language, metric=known(name.removesuffix("_drop"), language))
    return known(name, language)


def recipe_name(candidate: Mapping[str, Any], language: Language) -> str:
    """The recipe of a candidate in words, with the precision it computes in where that is not f32."""
    steps = [step for step in candidate.get("recipe", {}).get("steps", ()) if step.get("name") != "none"]
    named = [_step_name(step, language) for step in steps] or [text("none_step", language)]
    precision = candidate.get("settings", {}).get("precision", "f32")
    if precision != "f32":
        if not steps:
            return str(precision)
        named.append(str(precision))
    return " + ".join(named)


def _step_name(step: Mapping[str, Any], language: Language) -> str:
    settings = ", ".join(str(value) for value in step.get("settings", {}).values())
    name = known(str(step["name"]), language)
    if not settings:
        return name
    return f"{name}（{settings}）" if language == "zh" else f"{name} ({settings})"


def settings_words(settings: Mapping[str, Any], language: Language) -> str:
    """Threads, shape policy, batch and precision in words."""
    threads = settings.get("threads", 1)
    words = [text("one_thread", language) if threads == 1 else text("threads", language, count=threads)]
    words.append(known(f"shape_{settings.get('shape', 'fixed')}", language))
    if "batch" in settings:
        words.append(text("batch", language, count=settings["batch"]))
    words.append(text("computes_in", language, precision=settings.get("precision", "f32")))
    return ("，" if language == "zh" else ", ").join(words)


def chinese(sentence: str) -> str | None:
    """Chinese for a sentence of the search, or None when its form is not known.

    >>> chinese("on 359 untouched rows")
    '基于 359 行未接触过的数据'
    """
    for form, translation in _FORMS:
        match = form.fullmatch(sentence)
        if match:
            groups = {name: _group(name, value) for name, value in match.groupdict().items()}
            if None not in groups.values():
                return translation.format(**groups)
    parts = sentence.split("; ")
    translated = [chinese(part) for part in parts] if len(parts) > 1 else []
    return "；".join(part for part in translated if part) if translated and all(translated) else None


def _group(name: str, value: str) -> str | None:
    if name == "label":
        return chinese_label(value)
    if name == "rest":
        return chinese(value) or value
    if name == "step":
        return _chinese_step(value)
    if name == "shape":
        return known(f"shape_{value}", "zh")
    if name == "runtime":
        return RUNTIME_NAMES.get(value, value)
    if name == "rules":
        return "，".join(_RULES.get(rule, rule.replace("seed", "随机种子")) for rule in value.split(", "))
    return value.replace(", ", "、") if name in ("names", "limits") else value


def chinese_label(label: str) -> str:
    """A candidate's label in Chinese, or as it is when it has another form."""
    match = _LABEL.fullmatch(label)
    step = _chinese_step(match["step"]) if match else None
    if match is None or step is None:
        return label
    runtime, shape = RUNTIME_NAMES.get(match["runtime"], match["runtime"]), known(f"shape_{match['shape']}", "zh")
    return f"{match['model']}，{step}，{runtime}，{match['threads']} 线程，{shape}"


def _chinese_step(step: str) -> str | None:
    match = _STEP.fullmatch(step)
    if match is None:
        return None
    name = _STEP_NAMES.get(match["name"], match["name"])
    setting = f"（{match['setting']}）" if match["setting"] else ""
    return name + setting + (f" + {match['precision']}" if match["precision"] else "")
