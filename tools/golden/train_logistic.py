#!/usr/bin/env python3
"""scikit-learn's multinomial logistic regression on rows drawn with a fixed congruence.

    python3 tools/golden/train_logistic.py > tests/golden/train_logistic.txt

Lines: "c C objective", the mean cross-entropy plus |W|^2 / (2 C n) at the solution; then one line "p" per row, the
probability of its label. tests/engine/train/test_train_logistic.c draws the same rows.
"""
import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

ROWS, WIDTH, CLASSES = 90, 8, 4


def rows():
    state, features, labels = 5, np.empty((ROWS, WIDTH), np.float32), np.empty(ROWS, int)
    for r in range(ROWS):
        for j in range(WIDTH):
            state = (state * 1664525 + 1013904223) % 2**32
            features[r, j] = np.float32(state >> 8) / np.float32(8388608) - np.float32(1)
        best = features[r, :CLASSES].argmax()
        labels[r] = best if r % 5 else (best + 1) % CLASSES  # every fifth label is wrong: no perfect fit
    return features.astype(float), labels


def main():
    x, y = rows()
    print(f"# tools/golden/train_logistic.py, scikit-learn {sklearn.__version__}")
    for c in (0.1, 10.0):
        model = LogisticRegression(C=c, tol=1e-10, max_iter=10000).fit(x, y)
        p = model.predict_proba(x)[np.arange(ROWS), y]
        print(f"c {c:g} {-np.log(p).mean() + (model.coef_ ** 2).sum() / (2 * c * ROWS):.8f}")
        for value in p:
            print(f"p {value:.6f}")


if __name__ == "__main__":
    main()
