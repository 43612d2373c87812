#!/usr/bin/env python3
"""Writes tests/golden/linear.json: what scikit-learn makes of the same texts.

    python3 tools/golden/linear.py > tests/golden/linear.json      (scikit-learn 1.9.1, numpy 2.4.6)

features: the sorted TF-IDF values of each block of one text, by a vocabulary of all texts.
log_probs: of a logistic regression (C = 10) on them, at its optimum.
"""
import json
import sys

import sklearn
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

TEXTS = ["My card still has not arrived, where is it?", "card card card lost", "Where IS my refund",
         "refund not arrived; a refund please", "the Überweisung hasn't arrived", "where can I change my PIN?",
         "PIN is wrong is wrong is wrong", "Лимит карты where", "a", "please change the limit of my card"]
LABELS = [0, 0, 1, 1, 1, 2, 2, 2, 0, 2]

words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
blocks = [words.fit_transform(TEXTS), characters.fit_transform(TEXTS)]
rows = hstack(blocks).tocsr()
model = LogisticRegression(C=10, tol=1e-9, max_iter=10000).fit(rows, LABELS)

json.dump({
    "made_by": f"tools/golden/linear.py, scikit-learn {sklearn.__version__}",
    "c": 10,
    "n_features": rows.shape[1],
    "rows": [{
        "text": text,
        "label": label,
        "words": [round(float(v), 6) for v in sorted(blocks[0][i].data)],
        "characters": [round(float(v), 6) for v in sorted(blocks[1][i].data)],
        "log_probs": [round(float(v), 6) for v in model.predict_log_proba(rows[i])[0]],
    } for i, (text, label) in enumerate(zip(TEXTS, LABELS))],
}, sys.stdout, indent=0, ensure_ascii=False)
