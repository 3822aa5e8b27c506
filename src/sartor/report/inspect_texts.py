"""The fixed texts of the inspect page, in English and in Chinese."""

from __future__ import annotations

INSPECT_TEXTS: dict[str, tuple[str, str]] = {
    "inspection": ("Sartor inspection", "Sartor 模型分析"),
    # Sections
    "inspect_totals": ("Totals", "总计"),
    "inspect_binds": ("What binds", "瓶颈所在"),
    "inspect_roofline": ("Roofline", "屋顶线"),
    "inspect_layers": ("By layer", "按层"),
    "inspect_operators": ("Operators", "算子"),
    "inspect_notes": ("Notes", "说明"),
    # Totals
    "fact_parameters": ("parameters", "参数量"),
    "fact_active_parameters": ("parameters that one token meets", "每个词元激活的参数量"),
    "fact_flop": ("FLOP in {dtype}", "{dtype} 运算量（FLOP）"),
    "fact_moved": ("bytes read and written", "读写字节数"),
    "fact_weights": ("weights as stored", "权重（存储大小）"),
    "fact_activation_peak": ("peak of live activations", "激活值峰值"),
    "fact_intensity": ("arithmetic intensity", "算术强度"),
    "fact_operators": ("operators", "算子数"),
    "fact_kv_per_token": ("cache per token", "每个词元的缓存"),
    "fact_kv": ("cache of the prompts", "提示的缓存"),
    "fact_prefill_flop": ("FLOP to read the prompts", "读取提示的运算量"),
    "fact_prefill_intensity": ("intensity of reading", "读取提示的算术强度"),
    "fact_prefill_tokens": ("tokens read, at most", "每秒读取词元数上限"),
    "fact_decode_flop": ("FLOP for one more token each", "每个序列再写一个词元的运算量"),
    "fact_decode_intensity": ("intensity of writing", "写词元的算术强度"),
    "fact_decode_tokens": ("tokens written, at most", "每秒写出词元数上限"),
    "fact_prompts": ("prompts at once", "同时处理的提示数"),
    "fact_prompt_tokens": ("tokens of each", "每个提示的词元数"),
    "phase_in": ("{phase} in {precision}", "{phase}（{precision} 精度）"),
    "prefill": ("prefill", "预填充"),
    "decode": ("decode", "解码"),
    "predicted_time": ("predicted time", "预测时间"),
    "time_is": (
        "{value} (at least {low}, if the runtime fuses everything; no upper bound is known)",
        "{value}（若运行时融合全部算子，至少 {low}；上限未知）",
    ),
    "time_calibrated": (
        "{value}, nine times of ten between {low} and {high} (calibrated on this machine)",
        "{value}，十次有九次在 {low} 与 {high} 之间（本机校准）",
    ),
    "prospects": ("Predicted here, in each runtime and arithmetic", "在本机各运行时与算术类型下的预测"),
    "prospect_runtime": ("runtime", "运行时"),
    "prospect_arithmetic": ("in", "算术类型"),
    "prospect_threads": ("threads", "线程"),
    "prospect_latency": ("latency", "延迟"),
    "prospect_gain": ("against f32", "相对 f32"),
    "prospect_size": ("files", "文件大小"),
    "prospect_memory": ("peak memory", "内存峰值"),
    "prospect_start": ("fresh start", "冷启动"),
    "prospect_past": ("off before: half, a tenth", "以往误差：半数、一成超过"),
    "prospects_how": (
        "Calibrated: learnt from networks that were timed on this machine. Intervals hold nine times of ten on "
        "networks that were not learnt from; the last column says by how much half and a tenth of those were "
        "missed. Nothing here says whether int8 keeps the answers.",
        "校准预测：由在本机计时的网络学得。对未参与学习的网络，区间十次有九次成立；末列为其中半数与一成超过的误差。"
        "此处不涉及 int8 是否保持结果不变。",
    ),
    "calibrated_how": (
        "Times are calibrated: learnt from networks that were timed on this machine. That of a fused group stands with "
        "the operator that leads it. What binds is the roofline’s word (Williams et al. 2009).",
        "时间为校准预测，由在本机计时的网络学得。融合组的时间记在领头算子上。"
        "瓶颈由屋顶线模型给出（Williams 等，2009）。",
    ),
    "change_calibrated": (
        "How much is calibrated, its interval that of nine networks in ten; which roof binds is the roofline’s word.",
        "倍数为校准预测，区间对十个网络中的九个成立；受何种屋顶限制由屋顶线模型给出。",
    ),
    "target": ("Machine", "机器"),
    "no_target": ("no machine is known", "机器未知"),
    "roofs_measured": ("roofs measured here by sartor probe", "屋顶由 sartor probe 在本机实测"),
    "roofs_published": ("roofs from published data sheets", "屋顶取自公开资料"),
    "roofs_assumed": ("roofs derived, not traced to a document", "屋顶为推算值，未找到出处"),
    "inputs_are": ("Inputs", "输入"),
    "counted_in": ("Precision", "精度"),
    "of_the_file": ("as the file has it", "与文件相同"),
    "first": ("First", "甲"),
    "second": ("Second", "乙"),
    # What binds
    "bound_compute": ("compute", "计算"),
    "bound_memory": ("memory: {level}", "内存：{level}"),
    "bound_overhead": ("call overhead", "调用开销"),
    "bound_fused": ("fused into the one before", "融入前一算子"),
    "share_of_time": ("share of the predicted time", "占预测时间的比例"),
    "share_of_flop": ("share of the FLOP", "占运算量的比例"),
    "share_of_bytes": ("share of the bytes", "占读写字节的比例"),
    "what_would_change_it": ("What would change it", "如何改变"),
    "change_moves": (
        "{what} moves {moved} of the time from compute-bound to memory-bound: expected {factor}x, {ends}.",
        "{what} 使 {moved} 的时间由计算受限变为内存受限：预计 {factor} 倍，{ends}。",
    ),
    "change_stays": (
        "{what}: expected {factor}x, {ends}; memory binds {before} of the time today, {after} then.",
        "{what}：预计 {factor} 倍，{ends}；内存受限的时间目前占 {before}，届时占 {after}。",
    ),
    "change_how": (
        "Both times are the roofline’s, so the factor takes narrow kernels to get as near to their roof as today’s do. "
        "The ends are the least and most of three ways to keep activations: as they are, converted before each "
        "product, narrow throughout. They are not a confidence interval.",
        "两个时间都取自屋顶线，因此该倍数假定窄精度内核与现有内核同样接近各自的屋顶。"
        "区间两端是三种激活存放方式（保持原样、在每次乘积前转换、全程窄精度）中的最小与最大值，并非置信区间。",
    ),
    "change_how_language": (
        "Both times are the roofline’s, with weights, cache and arithmetic in the narrow type. The lower end keeps the "
        "cache as it is. It is not a confidence interval.",
        "两个时间都取自屋顶线，权重、缓存与运算均采用窄精度；区间下端保持缓存原样。该区间并非置信区间。",
    ),
    "no_changes": ("No narrower type with a known rate would change it here.", "没有已知速率且更窄的精度能带来改变。"),
    "roofline_is_optimistic": (
        "Predicted times are those of the roofline (Williams et al. 2009), which is optimistic: each operator alone, "
        "at the peak of arithmetic or of memory, whichever is slower. No kernel gets below that, most take longer; a "
        "runtime that fuses operators saves traffic and calls.",
        "预测时间取自屋顶线模型（Williams 等，2009），偏乐观：每个算子单独运行，取计算峰值与内存峰值中较慢者。"
        "内核不可能更快，多数更慢；运行时融合算子可节省读写与调用。",
    ),
    "by_family": ("By kind of operator", "按算子类别"),
    "family": ("Kind", "类别"),
    "count": ("Count", "个数"),
    "share": ("Share", "占比"),
    "time_of": ("Time", "时间"),
    "flop": ("FLOP", "运算量"),
    "bytes": ("Bytes", "字节"),
    "intensity": ("FLOP/B", "算术强度"),
    "binds": ("Binds", "瓶颈"),
    # Pictures
    "roofline_how": (
        "Each disc is an operator, or several alike; its area is their predicted time, its colour the kind. Lines are "
        "roofs: a slope for each level of memory, a ceiling for each element type. Below a roof, the overhead of calls "
        "costs time.",
        "每个圆点是一个或多个相同的算子，面积表示预测时间，颜色表示类别。线为屋顶：斜线对应各级内存，水平线对应各元素类型的计算峰值。"
        "低于屋顶的点受调用开销影响。",
    ),
    "roofline_left_out": (
        "{share} of the time goes to operators that compute nothing, such as copies; they are not in the picture.",
        "{share} 的时间用于不做运算的算子（如复制），它们不在图中。",
    ),
    "axis_intensity": ("arithmetic intensity, FLOP/B (log)", "算术强度，FLOP/B（对数）"),
    "axis_rate": ("FLOP/s (log)", "FLOP/s（对数）"),
    "others": ("others", "其他"),
    "layers_how": (
        "Area is the share, colour what binds most of it. Layers are read from names of operators and weights; an "
        "operator with neither stands with the one before it. Tap a layer to look into it.",
        "面积表示占比，颜色表示主要瓶颈。层名取自算子与权重的名称；两者皆无的算子归入前一个算子所在的层。点按某层可展开。",
    ),
    "families_how": (
        "Area is the share, colour what binds most of it. The file names no layers, so operators stand by their kind.",
        "面积表示占比，颜色表示主要瓶颈。文件未给出层名，因此按算子类别排列。",
    ),
    # Operators
    "operator": ("Operator", "算子"),
    "all_operators": ("All {count} operators", "全部 {count} 个算子"),
    "heaviest_operators": ("The {count} heaviest of {all} operators", "占比最大的 {count} 个算子（共 {all} 个）"),
    "operators_shown": ("shown.", "个算子。"),
    "operator_filter_hint": ("e.g. Conv layer.3", "例如 Conv layer.3"),
    "every_bound": ("whatever binds", "所有瓶颈"),
    "unknown_operators": (
        "Not counted, for there is no formula or a shape is not known: {names}. They add nothing to any figure here.",
        "未计入（没有公式或形状未知）：{names}。它们不影响此处任何数字。",
    ),
    "all_known": ("Every operator was counted.", "所有算子均已计入。"),
    # Kinds of operators
    "matrix product": ("matrix product", "矩阵乘"),
    "convolution": ("convolution", "卷积"),
    "attention": ("attention", "注意力"),
    "recurrent": ("recurrent", "循环"),
    "normalisation": ("normalisation", "归一化"),
    "elementwise": ("elementwise", "逐元素"),
    "reduction": ("reduction", "归约"),
    "pooling": ("pooling", "池化"),
    "resampling": ("resampling", "重采样"),
    "quantization": ("quantization", "量化"),
    "movement": ("movement", "数据搬移"),
    "selection": ("selection", "选择"),
    "signal": ("signal", "信号处理"),
    "classical": ("classical", "经典机器学习"),
    "control flow": ("control flow", "控制流"),
    "unknown": ("unknown", "未知"),
    "language model": ("language model", "语言模型"),
}
