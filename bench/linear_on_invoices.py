#!/usr/bin/env python3
"""The tuned linear model of scikit-learn on the written invoices: what no reader of single words should be able to do.

    python3 bench/linear_on_invoices.py SHOAL WORKSPACE      (needs scikit-learn)

WORKSPACE has a version of finance/invoice-check; what its spec shows the model is taken from that version's answers (the fact `read`).
TF-IDF of word 1-2-grams and character 3-5-grams; logistic regression over C in 0.1, 1, 10, 100, chosen on the validation rows by
balanced accuracy of the decision; the written cases are used once, for the figures printed.
"""
import json
import pathlib
import subprocess
import sys

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_union

SHOAL, WORKSPACE = sys.argv[1:]
DATA = pathlib.Path(WORKSPACE) / "finance/invoice-check/data"


def shown(name):
    answers = subprocess.run([SHOAL, "decide", "finance/invoice-check", DATA / f"{name}.jsonl", "--version=@1", "--quiet",
                              f"--workspace={WORKSPACE}"], check=True, capture_output=True, text=True).stdout
    return [", ".join(f"{what}: {said}" for what, said in json.loads(line)["facts"]["read"].items() if said is not None)
            for line in answers.splitlines()]


rows = {name: [json.loads(line) for line in open(DATA / f"{name}.jsonl", encoding="utf-8")]
        for name in ("train", "validation", "test_unseen", "test_written")}
vectors = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                     TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True))
x = {"train": vectors.fit_transform(shown("train"))}
x |= {name: vectors.transform(shown(name)) for name in rows if name != "train"}
y = {name: [row["output"]["decision"] for row in found] for name, found in rows.items()}
models = [LogisticRegression(C=c, max_iter=3000).fit(x["train"], y["train"]) for c in (0.1, 1, 10, 100)]
best = max(models, key=lambda model: balanced_accuracy_score(y["validation"], model.predict(x["validation"])))
print(f"scikit-learn {sklearn.__version__}, {best}, " + ", ".join(f"{len(found)} {name}" for name, found in rows.items()))
answers = best.predict(x["test_written"])
print(f"written cases and twins: balanced accuracy {balanced_accuracy_score(y['test_written'], answers):.3f}")
for kind in ("terms", "order", "vendor", "void"):
    at = [i for i, row in enumerate(rows["test_written"]) if row["tags"]["read"] == kind]
    print(f"  {kind}: {balanced_accuracy_score([y['test_written'][i] for i in at], answers[at]):.3f}")
