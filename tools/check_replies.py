#!/usr/bin/env python3
"""Checks the frozen triples of the example: digests, near twins, lengths, and what a template would write.

    check_replies.py examples/ecommerce/support/reply-draft

What needs the program itself is checked in C: that replies copy their numbers and names (tests/decide/test_decide_text.c), keep
the must-rules of slm.yaml (tests/spec/test_example.c), and that every change of a promised fact breaks one
(tests/spec/test_promises.c).
"""
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FROZEN = {
    "test": (50, "9a1033ba4aeaebd0ceae267094fed469cda234e9d72eda7e32fee0c529da7bdb"),
    "validation": (40, "590dc0845f6f8abed74bb4e5d26617e689f140af2f17845ddf305a2bf889e092"),
    "train": (270, "c78b90e8c0ff5c5547e5379fca7d420ddcc1e1945f2250ba7d9009f85251909a"),
}
JACCARD_MAX = 0.4
WORDS = (40, 90)

failures = []


def check(true, sentence):
    if not true:
        failures.append(sentence)


def word_grams(text, n):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i:i + n]) for i in range(len(words) - n + 1)}


def ticket_of(row):
    return row["input"]["subject"] + " " + row["input"]["body"]


def check_row(row):
    n_words = len(row["output"]["reply"].split())
    check(WORDS[0] <= n_words <= WORDS[1], f"{row['id']}: {n_words} words")
    check(row["input"].get("customer", "") in ticket_of(row), f"{row['id']}: the name is not in the ticket")


def check_twins(rows, text_of, what):
    grams = [word_grams(text_of(row), 3) for row in rows]
    worst = 0.0
    for i, a in enumerate(grams):
        for j in range(i):
            union = len(a | grams[j])
            alike = len(a & grams[j]) / union if union else 0.0
            worst = max(worst, alike)
            check(alike <= JACCARD_MAX, f"{rows[i]['id']} and {rows[j]['id']}: {what} too alike ({alike:.2f})")
    print(f"# {what}: at most {worst:.3f} alike")


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
    check_row(row)
check_twins(everything, ticket_of, "tickets")
check_twins(everything, lambda row: row["output"]["reply"], "replies")

# No ticket comes near one of ticket-triage's test set, so that one flow can be judged on both.
other = folder.parent / "ticket-triage" / "data" / "test.jsonl"
forbidden = set().union(*(word_grams(ticket_of(json.loads(line)), 6) for line in other.read_text().splitlines()))
for row in everything:
    check(not word_grams(ticket_of(row), 6) & forbidden, f"{row['id']}: shares a word 6-gram with ticket-triage's test set")

# What the template makes of the test set is kept beside it, and copies as honestly.
floor = folder / "data" / "template_test.jsonl"
with (folder / "data" / "test.jsonl").open() as asked:
    made = subprocess.run([sys.executable, str(folder / "template.py")], stdin=asked, capture_output=True, check=True).stdout
check(made == floor.read_bytes(), f"{floor.name} is not what template.py writes")
for line in made.decode().splitlines():
    check_row(json.loads(line))

# The plain rows are what make_rows.py makes of the training triples.
with tempfile.TemporaryDirectory() as name:
    shutil.copytree(folder, pathlib.Path(name) / "copy")
    subprocess.run([sys.executable, "-B", str(folder / "make_rows.py"), str(pathlib.Path(name) / "copy")], check=True)
    made = (pathlib.Path(name) / "copy" / "data" / "plain.jsonl").read_bytes()
    check(made == (folder / "data" / "plain.jsonl").read_bytes(), "plain.jsonl is not what make_rows.py writes")

print("\n".join(failures) or f"{len(everything)} triples are as they were frozen")
sys.exit(1 if failures else 0)
