#!/usr/bin/env python3
"""Checks the frozen tickets of the example: digests, labels, rules, near twins, agreement of the two readers.

    check_tickets.py examples/ecommerce/support/ticket-triage
"""
import collections
import hashlib
import json
import pathlib
import re
import sys

FROZEN = {
    "test": (300, "669fc525eb51ae0b981ba50951c27e51628a0f6a48ab12cf02a97869322425a5"),
    "validation": (120, "5e8b2cb3961b525862c7f4d286b2069fd32786b0e3a3e2d733f2e01dbd002ede"),
    "train": (274, "4d8824a7adb117e47d0f9769f5510e5614cfb65635b2b0aa1435de3e5908c143"),
}
TYPES = "billing refund delivery return defect order_change account product_question other".split()
PRIORITIES = "low normal high urgent".split()
COSTLY = ("billing", "refund", "delivery", "defect")
JACCARD_MAX = 0.4
KAPPA_MIN = 0.75

failures = []


def check(true, sentence):
    if not true:
        failures.append(sentence)


def word_grams(row, n):
    words = re.findall(r"\w+", (row["input"]["subject"] + " " + row["input"]["body"]).lower())
    return {tuple(words[i:i + n]) for i in range(len(words) - n + 1)}


def kappa(pairs):
    """Cohen 1960: (observed agreement - chance agreement) / (1 - chance agreement)."""
    n = len(pairs)
    first, second = (collections.Counter(column) for column in zip(*pairs))
    chance = sum(first[label] * second[label] for label in first) / n**2
    return (sum(a == b for a, b in pairs) / n - chance) / (1 - chance)


folder = pathlib.Path(sys.argv[1])
rows = {}
for split, (n, digest) in FROZEN.items():
    content = (folder / "data" / f"{split}.jsonl").read_bytes()
    check(hashlib.sha256(content).hexdigest() == digest, f"{split}: the frozen file has changed")
    rows[split] = [json.loads(line) for line in content.decode().splitlines()]
    check(len(rows[split]) == n, f"{split}: {len(rows[split])} rows, expected {n}")

everything = [row for split in rows.values() for row in split]
check(len({row["id"] for row in everything}) == len(everything), "an id stands twice")
for row in everything:
    asked, label = row["input"], row["output"]
    check(label["issue_type"] in TYPES and label["priority"] in PRIORITIES, f"{row['id']}: unknown label")
    check(asked["tier"] != "business" or label["priority"] != "low", f"{row['id']}: against R1")
    check(asked.get("order_total", 0) < 1000 or label["issue_type"] not in COSTLY
          or label["priority"] in ("high", "urgent"), f"{row['id']}: against R2")

grams = [word_grams(row, 3) for row in everything]
for i, a in enumerate(grams):
    for j in range(i):
        union = len(a | grams[j])
        check(not union or len(a & grams[j]) <= JACCARD_MAX * union,
              f"{everything[i]['id']} and {everything[j]['id']} are too alike")

# Training rows made later may share no word 6-gram with the test set; they stand in train_*.jsonl.
forbidden = set().union(*(word_grams(row, 6) for row in rows["test"]))
for path in sorted((folder / "data").glob("train*.jsonl")):
    for line in path.read_text().splitlines():
        row = json.loads(line)
        check(not word_grams(row, 6) & forbidden, f"{path.name}: {row['id']} shares a word 6-gram with the test set")

labels = [line.split("\t") for line in (folder / "data" / "second_labels.tsv").read_text().splitlines()[1:]]
frozen = {row["id"]: row["output"] for split in ("test", "validation") for row in rows[split]}
check({row[0] for row in labels} == set(frozen), "second labels: not the rows of test and validation")
for column, field in ((1, "issue_type"), (2, "priority")):
    agreement = kappa([(row[column], row[column + 2]) for row in labels])
    print(f"# {field}: kappa {agreement:.3f} over {len(labels)} rows")
    check(agreement >= KAPPA_MIN, f"{field}: kappa {agreement:.3f} is below {KAPPA_MIN}")
    check(all(frozen[row[0]][field] == row[column + 4] for row in labels), f"{field}: settled label is not the frozen one")

print("\n".join(failures) or f"{len(everything)} tickets are as they were frozen")
sys.exit(1 if failures else 0)
