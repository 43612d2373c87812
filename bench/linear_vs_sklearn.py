#!/usr/bin/env python3
"""Our linear model beside a tuned scikit-learn on the same split.

    python3 bench/linear_vs_sklearn.py BUILD_DIR DATA_DIR/banking77 [DATA_DIR/it-tickets ...]

Each folder holds train.jsonl and test.jsonl with rows {"input", "output"}. A tenth of the training rows of
each label, drawn with seed 1, is the validation part. Both sides see the same n-grams, choose C by validation
accuracy among 1, 3, 10, 30, 100 and answer the test part once. Build linear_fit_files first:
    ninja -C BUILD_DIR bench/linear_fit_files
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from labelled_rows import read, split
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

CS = (1, 3, 10, 30, 100)


def peer(train, validation, test):
    def texts(rows):
        return [row["input"] for row in rows]

    def labels(rows):
        return [row["output"] for row in rows]

    started = time.monotonic()
    blocks = [TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
              TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)]
    x = hstack([b.fit_transform(texts(train)) for b in blocks]).tocsr()
    held = hstack([b.transform(texts(validation)) for b in blocks]).tocsr()
    best = None
    for c in CS:
        model = LogisticRegression(C=c, tol=1e-3, max_iter=200).fit(x, labels(train))
        score = accuracy_score(labels(validation), model.predict(held))
        if best is None or score > best[0]:
            best = (score, c, model)
    seconds = time.monotonic() - started
    answers = best[2].predict(hstack([b.transform(texts(test)) for b in blocks]).tocsr())
    return answers, {"c": best[1], "features": x.shape[1], "seconds": round(seconds, 1)}


def ours(build, train, validation, test):
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / name for name in ("train", "validation", "test", "answers")]
        for path, rows in zip(paths, (train, validation, test)):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        run = subprocess.run([build / "bench" / "linear_fit_files", *paths], check=True, capture_output=True, text=True)
        return paths[3].read_text().splitlines(), json.loads(run.stdout)


def main():
    build = pathlib.Path(sys.argv[1])
    for folder in map(pathlib.Path, sys.argv[2:]):
        train, validation = split(read(folder / "train.jsonl"))
        test = read(folder / "test.jsonl")
        truth = [row["output"] for row in test]
        f1 = {}
        for name, (answers, facts) in (("shoal", ours(build, train, validation, test)),
                                       ("scikit-learn", peer(train, validation, test))):
            f1[name] = f1_score(truth, answers, average="macro")
            print(f"{folder.name:12} {name:12} accuracy {accuracy_score(truth, answers):.4f} "
                  f"macro-F1 {f1[name]:.4f} {facts}", flush=True)
        print(f"{folder.name:12} difference in macro-F1 {f1['shoal'] - f1['scikit-learn']:+.4f}")


if __name__ == "__main__":
    main()
