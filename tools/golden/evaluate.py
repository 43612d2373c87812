#!/usr/bin/env python3
"""Writes tests/golden/evaluate.json: metrics of scikit-learn and scipy over rows drawn with a fixed seed.

    python3 tools/golden/evaluate.py > tests/golden/evaluate.json   (scikit-learn 1.9.1, scipy 1.17.1)
"""
import json
import sys

import numpy as np
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import sklearn
import sklearn.metrics

K, N = 5, 240
rng = np.random.default_rng(7)
truth = rng.choice(K, N, p=[0.4, 0.3, 0.2, 0.1, 0.0])  # class 4 is never true
logits = rng.normal(0, 1.5, (N, K))
logits[np.arange(N), truth] += 2.0
log_probs = scipy.special.log_softmax(1.8 * logits, axis=1)
a = log_probs.argmax(axis=1)
b = np.where(rng.random(N) < 0.25, rng.choice(K, N), a)

precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
    truth, a, labels=range(K), zero_division=0)
confidence = np.exp(log_probs.max(axis=1))
right = a == truth
bins = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
ece = sum(abs(right[bins == i].mean() - confidence[bins == i].mean()) * (bins == i).mean()
          for i in range(15) if (bins == i).any())


def loss(log_t):
    return -scipy.special.log_softmax(log_probs / np.exp(log_t), axis=1)[np.arange(N), truth].mean()


def macro_f1(truth, answers):
    return sklearn.metrics.f1_score(truth, answers, average="macro", zero_division=0)


def macro_f1_gain(truth, a, b):
    return macro_f1(truth, a) - macro_f1(truth, b)


def bootstrap(data, statistic):
    found = scipy.stats.bootstrap(data, statistic, paired=True, vectorized=False, n_resamples=2000,
                                  method="percentile", rng=np.random.default_rng(1)).confidence_interval
    return [found.low, found.high]


sets = np.random.default_rng(8)
set_truth = sets.random((N, K)) < [0.5, 0.3, 0.2, 0.1, 0.05]
set_answers = set_truth ^ (sets.random((N, K)) < 0.15)


def masks(rows):
    return (rows @ (1 << np.arange(K))).tolist()


only_a, only_b = int((right & (b != truth)).sum()), int((~right & (b == truth)).sum())
json.dump({
    "made_by": f"tools/golden/evaluate.py, scikit-learn {sklearn.__version__}, scipy {scipy.__version__}",
    "truth": truth.tolist(), "a": a.tolist(), "b": b.tolist(),
    "log_probs": [[round(float(v), 5) for v in row] for row in log_probs],
    "confusion": sklearn.metrics.confusion_matrix(truth, a, labels=range(K)).tolist(),
    "precision": precision.tolist(), "recall": recall.tolist(), "f1": f1.tolist(), "support": support.tolist(),
    "accuracy": sklearn.metrics.accuracy_score(truth, a), "macro_f1": macro_f1(truth, a),
    "kappa": sklearn.metrics.cohen_kappa_score(truth, a), "ece": float(ece),
    "temperature": float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded").x)),
    "macro_f1_interval": bootstrap((truth, a), macro_f1),
    "macro_f1_gain": macro_f1_gain(truth, a, b),
    "macro_f1_gain_interval": bootstrap((truth, a, b), macro_f1_gain),
    "only_a": only_a, "only_b": only_b,
    "mcnemar": scipy.stats.binomtest(only_a, only_a + only_b).pvalue,
    "balanced_accuracy": sklearn.metrics.recall_score(truth, a, labels=range(4), average="macro"),
    "set_truth": masks(set_truth), "set_answers": masks(set_answers),
    "set_accuracy": sklearn.metrics.accuracy_score(set_truth, set_answers),
    "set_f1": sklearn.metrics.f1_score(set_truth, set_answers, average="samples", zero_division=1),
    "set_macro_f1": sklearn.metrics.f1_score(set_truth, set_answers, average="macro"),
    "shares": [{
        "successes": k, "n": n,
        "wilson": list(scipy.stats.binomtest(k, n).proportion_ci(method="wilson")),
        "lower_bound": scipy.stats.binomtest(k, n, alternative="greater").proportion_ci(0.95, "exact").low,
    } for k, n in ((0, 1), (1, 1), (0, 30), (30, 30), (7, 9), (290, 300), (1500, 3080))],
}, sys.stdout)
