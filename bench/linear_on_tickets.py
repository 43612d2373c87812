#!/usr/bin/env python3
"""The tuned linear model of scikit-learn on the frozen tickets: the floor that a model must beat.

    python3 bench/linear_on_tickets.py [more-training-rows.jsonl ...]      (needs scikit-learn)

TF-IDF of word 1-2-grams and character 3-5-grams; logistic regression and linear SVM over C in 0.1, 1, 10, 100, chosen on
the validation tickets by macro-F1; the test tickets are used once, for the figure printed.
"""
import json
import pathlib
import sys

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

DATA = pathlib.Path(__file__).parent.parent / "examples/ecommerce/support/ticket-triage/data"


def read(path):
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def shown(row):
    return "\n".join(f"{key}: {value}" for key, value in row["input"].items())


rows = {split: read(DATA / f"{split}.jsonl") for split in ("train", "validation", "test")}
for path in sys.argv[1:]:
    rows["train"] += read(path)
vectors = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                     TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True))
x = {"train": vectors.fit_transform([shown(row) for row in rows["train"]])}
x |= {split: vectors.transform([shown(row) for row in rows[split]]) for split in ("validation", "test")}
print(f"scikit-learn {sklearn.__version__}; " + ", ".join(f"{len(r)} {split}" for split, r in rows.items()))
for field in ("issue_type", "priority"):
    y = {split: [row["output"][field] for row in r] for split, r in rows.items()}
    models = [LogisticRegression(C=c, max_iter=3000) for c in (0.1, 1, 10, 100)]
    models += [LinearSVC(C=c) for c in (0.1, 1, 10, 100)]
    score = lambda model, split: f1_score(y[split], model.predict(x[split]), average="macro")
    best = max((model.fit(x["train"], y["train"]) for model in models), key=lambda m: score(m, "validation"))
    print(f"{field}: {best}, macro-F1 validation {score(best, 'validation'):.3f}, test {score(best, 'test'):.3f}")
