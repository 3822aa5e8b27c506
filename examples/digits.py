"""Handwritten digits from Python: state a Need, have it fitted, predict with the bundle.

Run it with `python examples/digits.py`; it takes about half a minute and writes the folder `digits-bundle`.
"""

from sartor import Bundle, Need, fit

need = Need(
    task="image-classification",
    model="zoo:mlp",
    data="digits",
    require={"accuracy": ">= 0.9", "latency_p50": "<= 1 ms", "size": "<= 200 kB"},
    budget={"time": "90 s"},
)
result = fit(need, "digits-bundle")
print(result.outcome, "-", result.sentence)
for limit in result.values["limits"]:
    print(limit["name"], limit["value"], [limit["low"], limit["high"]], limit["met"])

bundle = Bundle.load("digits-bundle")
image = [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0], [0, 3, 15, 2, 0, 11, 8, 0], [0, 4, 12, 0, 0, 8, 8, 0]]
image += [[0, 5, 8, 0, 0, 9, 8, 0], [0, 4, 11, 0, 1, 12, 7, 0], [0, 2, 14, 5, 10, 12, 0, 0], [0, 0, 6, 13, 10, 0, 0, 0]]
print(bundle.predict([image]))
