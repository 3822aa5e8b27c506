"""Every fixed text of the report, in English and in Chinese."""

from __future__ import annotations

from typing import Literal

from sartor.report.inspect_texts import INSPECT_TEXTS
from sartor.report.network_texts import NETWORK_TEXTS

Language = Literal["en", "zh"]
Pair = tuple[str, str]

TEXTS: dict[str, Pair] = {
    # The frame
    "page": ("Sartor report", "Sartor 报告"),
    "switch": ("Language", "语言"),
    "contents": ("Contents", "目录"),
    "needs_script": (
        "The pictures need JavaScript; the numbers of candidates and limits also stand in the tables.",
        "图表需要 JavaScript；候选与约束的数字也都列在表格里。",
    ),
    "drawing": ("Drawing the picture…", "正在绘图……"),
    "not_drawn": (
        "This browser is too old to draw the picture; the numbers of candidates and limits also stand in the tables.",
        "浏览器版本过旧，无法绘图；候选与约束的数字也都列在表格里。",
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
    "constant_answer": ("a constant answer", "恒定预测"),
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
        "Colour is the recipe, form is how far a candidate came: star chosen, diamond finalist, disc quality read, "
        "open circle rejected, cross failed; a ring marks candidate zero. "
        "Below are candidates whose quality was never read; the table says why. "
        "Point at a marker, or tap it, for its details.",
        "颜色表示压缩方案，形状表示进展：星形为选定，菱形为入围，实心圆为已读取质量，空心圆为淘汰，叉为失败；外环标出零号候选。"
        "下方区域的候选没有读取质量，原因见表。指向或点按标记可查看详情。",
    ),
    "medians": (
        "Points are medians; a limit on another quantile is drawn where that quantile would have to be.",
        "图中各点为中位数；针对其他分位数的约束画在该分位数应处的位置。",
    ),
    "without_latency": (
        "{count} candidates have no latency: they were not worth timing, or could not be built or run. The table says "
        "why.",
        "{count} 个候选没有延迟数据：不值得计时，或未能构建或运行。原因见下表。",
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
    "predicted": ("Predicted", "预测"),
    "predicted_how": (
        "Predicted from the network’s operators before anything was built, by a calibration of this machine on "
        "{networks} networks. Of the {timed} that were timed, half were off by less than {median}, the worst by "
        "{worst}; {inside} lie in their interval. On networks that it had not seen, the calibration was off by "
        "{before} (median). A reason names the prediction as it was by then, corrected by what had been timed.",
        "预测在构建之前由网络的算子得出，依据本机以 {networks} 个网络所作的校准。在已计时的 {timed} 个候选中，"
        "半数误差小于 {median}，最大为 {worst}；{inside} 个落在区间内。对未见过的网络，该校准的误差中位数为 {before}。"
        "原因栏中的预测是当时的值，已按先前的计时修正。",
    ),
    "quality": ("Quality", "质量"),
    "on_rows": ("{rows} select rows", "{rows} 行 select 数据"),
    "file_size": ("Size", "大小"),
    "at_this_point": ("at this point", "位于此点"),
    "close": ("Close", "关闭"),
    "from_screen": ("one quick launch", "单次快速启动"),
    "from_launches": ("fresh launches", "多次全新启动"),
    "planned": ("planned", "计划中"),
    "screened": ("screened", "已初筛"),
    "rejected": ("rejected", "已淘汰"),
    "failed": ("failed", "失败"),
    "passed": ("quality read", "已读取质量"),
    "finalist": ("finalist", "入围"),
    "status_chosen": ("chosen", "选定"),
    "why_passed": (
        "its quality was read on select; another was preferred",
        "已在 select 上读取质量；优先选择了其他候选",
    ),
    "why_zero": ("the reference of every speed-up", "所有加速比的基准"),
    "quality_how": (
        "Quality is read on as many select rows as it takes to judge a candidate, so that values of few rows and of "
        "many stand side by side. Drops are judged on the same rows of the uncompressed model, row by row.",
        "质量只读取足以作出判断的 select 行数，因此行数不同的数值会并列出现；"
        "下降量是与未压缩模型在相同的行上逐行比较得出的。",
    ),
    "screen_how": (
        "The interval of a quick launch is assumed, a factor of {factor} to both sides; recipes with the same "
        "operators share one. Times of quick launches are compared with each other, not with those over fresh "
        "launches.",
        "单次快速启动的区间为假定值，上下各 {factor} 倍；算子相同的压缩方案共用一次计时。"
        "快速启动的时间只彼此比较，不与多次全新启动的时间比较。",
    ),
    "asked": ("Asked for", "要求"),
    "least_latency": ("the lowest median latency", "中位延迟最低"),
    "least_throughput": ("the highest throughput", "吞吐量最高"),
    "least_size": ("the smallest files", "文件最小"),
    "least_memory": ("the least peak memory", "峰值内存最低"),
    "asked_is": (
        "{what} at batch {batch} on this machine, within every limit; the search may take {time}.",
        "在本机上、批大小为 {batch} 时，满足全部约束且{what}；搜索时间不超过 {time}。",
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
    "only_recovered": (
        "No model was trained from the beginning. How smaller networks were trained back stands under “Smaller "
        "networks”.",
        "没有从头训练任何模型；更小网络的恢复训练见“更小的网络”。",
    ),
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
    "openings": ("Times that confirm was opened", "confirm 打开次数"),
    "opened_times": ("{count}, this one included", "{count} 次（含本次）"),
    "never_opened": ("not opened in this run", "本次运行未打开"),
    "error_budget": ("Error allowed to this opening", "本次打开允许的错误率"),
    "error_budget_is": (
        "{total}: {first} for the finalist, {fallback} for one fallback",
        "{total}：入围者 {first}，一个后备 {fallback}",
    ),
    "error_left": ("Error left for the next opening", "下次打开剩余的错误率"),
    "error_left_is": ("{left}; each opening halves it", "{left}；每打开一次减半"),
    # The data report, above the splits
    "data": ("The data", "数据"),
    "kind_images": ("images", "图像"),
    "kind_texts": ("texts", "文本"),
    "kind_clips": ("clips of sound", "音频片段"),
    "kind_records": ("records", "多输入记录"),
    "kind_numbers": ("rows of numbers", "数值"),
    "data_sizes": ("Sizes", "大小"),
    "size_spread": (
        "{low} to {high} {unit}; half up to {median}, 99% up to {p99}",
        "{low} 至 {high} {unit}；半数不超过 {median}，99% 不超过 {p99}",
    ),
    "unit_characters": ("characters", "字符"),
    "unit_s": ("s", "秒"),
    "unit_samples": ("samples", "采样点"),
    "data_classes": ("Classes", "类别"),
    "data_repeats": ("Rows that repeat an earlier one of their split", "在本划分内重复的行"),
    "data_contradict": ("Rows with a copy that has another label", "存在标签不同的副本的行"),
    "data_notes": ("Notes", "说明"),
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
    "fused": ("fused operators", "算子融合"),
    "fp16-weights": ("fp16 weights", "fp16 权重"),
    "int8-dynamic": ("int8 dynamic", "int8 动态量化"),
    "int8-static": ("int8 static", "int8 静态量化"),
    "calibration": ("{name} calibration", "{name} 校准"),
    **INSPECT_TEXTS,
    **NETWORK_TEXTS,
}

RUNTIME_NAMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}
