#!/usr/bin/env python3
"""The tuned linear model of scikit-learn on the written invoices: what no reader of single words should be able to do.

    python3 bench/linear_on_invoices.py      (needs scikit-learn)

It reads the facts that slm.yaml shows. TF-IDF of word 1-2-grams and character 3-5-grams; logistic regression over C in 0.1, 1,
10, 100, chosen on the validation rows by balanced accuracy of the decision; the written cases are used once, for the figures printed.
"""
import csv
import json
import pathlib

import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_union

DATA = pathlib.Path(__file__).parent.parent / "examples/ecommerce/finance/invoice-check/data"


def table(name, *key):
    with open(DATA / f"{name}.csv", encoding="utf-8", newline="") as file:
        return {tuple(row[column] for column in key): row for row in csv.DictReader(file)}


def plain(text):
    return "".join(c for c in text.lower() if c.isalnum())


vendors, contracts, orders = table("vendors", "vat_id"), table("contracts", "vat_id"), table("orders", "order", "line")


def shown(row):
    """seller, payable, goods and notes of slm.yaml; `checks` says at most what a rule decides anyway, and is left out."""
    invoice = row["input"]
    vendor, contract = (found.get((invoice.get("vendor_id"),)) for found in (vendors, contracts))
    seller = "unknown" if not vendor else "as on file" if plain(vendor["name"]) == plain(invoice["vendor"]) else (
        f"{invoice['vendor']} | {vendor['name']}" + (f" ({vendor['trades_as']})" if vendor["trades_as"] else ""))
    terms = invoice.get("terms", "")
    payable = "as agreed" if not contract or plain(terms) in ("", plain(contract["words"])) else f"{terms} | {contract['days']} days"
    pairs = [(line["description"], orders.get((invoice.get("order_number"), str(line["position"])))) for line in invoice["lines"]]
    goods = "; ".join(f"{billed} | {ordered['description']}" for billed, ordered in pairs
                      if ordered and plain(billed) != plain(ordered["description"])) or "as ordered"
    return f"seller: {seller}\npayable: {payable}\ngoods: {goods}\nnotes: {invoice.get('notes', '')}"


rows = {name: [json.loads(line) for line in open(DATA / f"{name}.jsonl", encoding="utf-8")]
        for name in ("train", "validation", "test_unseen", "test_written")}
vectors = make_union(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
                     TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True))
x = {"train": vectors.fit_transform([shown(row) for row in rows["train"]])}
x |= {name: vectors.transform([shown(row) for row in rows[name]]) for name in rows if name != "train"}
y = {name: [row["output"]["decision"] for row in found] for name, found in rows.items()}
models = [LogisticRegression(C=c, max_iter=3000).fit(x["train"], y["train"]) for c in (0.1, 1, 10, 100)]
best = max(models, key=lambda model: balanced_accuracy_score(y["validation"], model.predict(x["validation"])))
print(f"scikit-learn {sklearn.__version__}, {best}, " + ", ".join(f"{len(found)} {name}" for name, found in rows.items()))
answers = best.predict(x["test_written"])
print(f"written cases and twins: balanced accuracy {balanced_accuracy_score(y['test_written'], answers):.3f}")
for kind in ("terms", "order", "vendor", "void"):
    at = [i for i, row in enumerate(rows["test_written"]) if row["tags"]["read"] == kind]
    print(f"  {kind}: {balanced_accuracy_score([y['test_written'][i] for i in at], answers[at]):.3f}")
