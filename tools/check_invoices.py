#!/usr/bin/env python3
"""Checks the invoices of the example: frozen rows, twins, what arithmetic and look-up decide, that splits share nothing, shares.

    check_invoices.py examples/ecommerce/finance/invoice-check
"""
import collections
import csv
import datetime
import decimal
import hashlib
import json
import pathlib
import sys

FROZEN_ROWS = "46ef6a29611b420a727e5edde83e75fb3f2c9f3dcdfbc05a84b6a73ca6a58670"
FROZEN_TABLES = "6e58f3adc107e0663b5b5fbc7e4b0c8e9f4ac8934f1a5afbb3b1f68d627f5a9a"
READ = ("terms", "order", "vendor", "void")
SPLITS = ("train", "validation", "test")
FILES = {"train": ["train"], "validation": ["validation"], "test": ["test_unseen", "test_written"]}
READING_SHARE_MIN = 1 / 3
RULES_ALONE_MAX = 0.85

failures = []


def check(true, sentence):
    if not true:
        failures.append(sentence)


def plain(text):
    return "".join(c for c in text.lower() if c.isalnum())


def table(name):
    with open(folder / "data" / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, skipinitialspace=True))


def number(value):
    return decimal.Decimal(str(value))


def by(rows, *columns):
    index = collections.defaultdict(list)
    for row in rows:
        index[tuple(row[column] for column in columns)].append(row)
    return index


def counted_reasons(invoice):
    """What arithmetic and look-up decide, as slm.yaml has it, computed here by other code."""
    cent, lines, vendor_id = decimal.Decimal("0.01"), invoice["lines"], invoice.get("vendor_id", "")
    vendor = vendors.get((vendor_id,), [None])[0]
    net, tax, total = (number(invoice[field]) for field in ("net", "tax", "total"))
    reasons = set()
    if (any(abs(number(l["quantity"]) * number(l["unit_price"]) - number(l["amount"])) > cent for l in lines)
            or abs(sum(number(l["amount"]) for l in lines) - net) > cent or abs(net + tax - total) > cent):
        reasons.add("totals")
    taxed = sum(number(l["amount"]) * number(l["tax_rate"]) / 100 for l in lines)
    allowed = {number(row["rate"]) for row in rates[(vendor["country"],)]} if vendor else None
    if abs(taxed - tax) > cent * len(lines) or (vendor and any(number(l["tax_rate"]) not in allowed for l in lines)):
        reasons.add("tax")
    for row in booked[(vendor_id,)]:
        if row["number"] == "".join(c for c in invoice["number"].lower() if c.isascii() and c.isalnum()) or (
                row["order"] == invoice.get("order_number", "") and row["date"] == invoice["date"] and number(row["total"]) == total):
            reasons.add("duplicate")
    if not vendor:
        reasons.add("vendor")
    ordered = {int(row["line"]): row for row in orders[(invoice.get("order_number", ""),)]
               if not vendor or row["vat_id"] == vendor_id}
    billed = collections.Counter()
    for line in lines:
        billed[line["position"]] += number(line["quantity"])
        if line["position"] not in ordered or number(line["unit_price"]) > number(ordered[line["position"]]["unit_price"]):
            reasons.add("order")
    if any(at in ordered and quantity > number(ordered[at]["quantity"]) for at, quantity in billed.items()):
        reasons.add("order")
    if vendor and "due_date" in invoice:
        open_days = datetime.date.fromisoformat(invoice["due_date"]) - datetime.date.fromisoformat(invoice["date"])
        if open_days.days < int(contracts[(vendor_id,)][0]["days"]):
            reasons.add("terms")
    return reasons


def words_to_read(row):
    """The texts of a row that are not as on file, plain, by what they are about."""
    invoice = row["input"]
    ordered = {int(o["line"]): o["description"] for o in orders[(invoice.get("order_number", ""),)]}
    texts = {"vendor": {plain(invoice["vendor"])}, "terms": {plain(invoice.get("terms", ""))}, "void": {plain(invoice.get("notes", ""))},
             "order": {plain(line["description"]) for line in invoice["lines"]} | {plain(o) for o in ordered.values()}}
    texts["terms"] -= {plain(f"{days} days net") for days in range(1, 100)}
    return {about: found - {""} for about, found in texts.items()}


def check_written(rows):
    content = (folder / "data" / "test_written.jsonl").read_bytes()
    check(hashlib.sha256(content).hexdigest() == FROZEN_ROWS, "test_written.jsonl: the frozen file has changed")
    ids = {row["input"]["vendor_id"] for row in rows}
    kept = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for name in ("vendors", "contracts", "orders")
                   for row in table(name) if row["vat_id"] in ids)
    check(hashlib.sha256(kept.encode()).hexdigest() == FROZEN_TABLES, "the table rows of the written invoices have changed")
    cases = {row["id"]: row for row in rows if row["tags"]["part"] == "case"}
    twins = {row["id"].removesuffix("-twin"): row for row in rows if row["tags"]["part"] == "twin"}
    check(len(cases) == 200 and cases.keys() == twins.keys(), f"{len(cases)} cases and {len(twins)} twins, expected 200 pairs")
    where = {"terms": "terms", "order": "lines", "vendor": "vendor", "void": "notes"}
    for name, case in cases.items():
        about, a, b = case["tags"]["read"], case["input"], twins[name]["input"]
        check({field for field in a.keys() | b.keys() if a.get(field) != b.get(field)} == {where[about]}, f"{name}: not one detail")
        if about == "order":
            bare = lambda lines: [{k: v for k, v in line.items() if k != "description"} for line in lines]
            check(bare(a["lines"]) == bare(b["lines"]) and sum(x != y for x, y in zip(a["lines"], b["lines"])) == 1,
                  f"{name}: more than the description of a line differs")
        check(case["output"] == {"decision": "rejected", "reasons": [about]}, f"{name}: not rejected for what is read")
        check(twins[name]["output"] == {"decision": "approved", "reasons": []}, f"{name}: the twin is not approved")
        check(not counted_reasons(a) and not counted_reasons(b), f"{name}: arithmetic or look-up would reject it")


def check_labels(rows):
    for row in rows:
        reasons, counted = set(row["output"]["reasons"]), counted_reasons(row["input"])
        check((row["output"]["decision"] == "rejected") == bool(reasons), f"{row['id']}: decision and reasons disagree")
        check(counted <= reasons, f"{row['id']}: lacks {counted - reasons}")
        check(reasons - counted <= set(READ), f"{row['id']}: {reasons - counted} is no matter of reading")


def check_splits_are_apart(rows):
    bank = {split: {path.stem: {plain(phrase) for line in path.read_text(encoding="utf-8").splitlines()
                                for part in line.split(" | ") for phrase in part.split(" ; ")}
                    for path in sorted((folder / "phrases" / split).glob("*.txt"))} for split in SPLITS}
    vendor_ids = {split: {row["input"].get("vendor_id") for row in rows[split] if not counted_reasons(row["input"])} for split in SPLITS}
    written = [words_to_read(row) for row in files["test_written"]]
    vendor_words = {plain(word) for row in files["test_written"] for word in row["input"]["vendor"].split()}
    texts = {about: set().union(*(row[about] for row in written)) for about in READ}
    texts_of = {split: {text for row in rows[split] for about in ("terms", "void") for text in words_to_read(row)[about]} for split in SPLITS}
    for i, split in enumerate(SPLITS):
        for other in SPLITS[:i]:
            for name in bank[split]:
                shared = bank[split][name] & bank[other][name]
                check(not shared, f"{split} and {other} share {name}: {sorted(shared)[:3]}")
            check(not vendor_ids[split] & vendor_ids[other], f"{split} and {other} share vendors")
        phrases = {"terms": bank[split]["terms"] | bank[split]["sooner"], "void": bank[split]["void"] | bank[split]["fine"],
                   "order": bank[split]["goods"], "vendor": set()}
        for about in READ:
            shared = texts[about] & phrases[about]
            check(not shared, f"the written cases and {split} share {sorted(shared)[:3]}")
        shared = texts_of[split] & set().union(*(texts_of[other] for other in SPLITS[:i]))
        check(not shared, f"{split} shares notes or terms with a split before it: {sorted(shared)[:3]}")
        shared = vendor_words & bank[split]["names"]
        check(not shared, f"vendors of the written cases have words of {split}: {sorted(shared)[:3]}")


def report(name, rows):
    rejected = [row for row in rows if row["output"]["reasons"]]
    only_reading = [row for row in rejected if not counted_reasons(row["input"])]
    rules_alone = 1 - len(only_reading) / len(rows)
    share = len(only_reading) / len(rejected)
    print(f"# {name}: {len(rows)} rows, {len(rejected)} rejected, {share:.2f} of them by reading alone; rules alone {rules_alone:.3f}")
    check(share >= READING_SHARE_MIN, f"{name}: {share:.2f} of the rejections need reading")
    check(rules_alone <= RULES_ALONE_MAX, f"{name}: rules alone reach {rules_alone:.3f}")


folder = pathlib.Path(sys.argv[1])
vendors, contracts, booked = by(table("vendors"), "vat_id"), by(table("contracts"), "vat_id"), by(table("booked"), "vat_id")
orders, rates = by(table("orders"), "order"), by(table("tax_rates"), "country")
files = {name: [json.loads(line) for line in (folder / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
         for names in FILES.values() for name in names}
rows = {split: [row for name in names for row in files[name]] for split, names in FILES.items()}

check_written(files["test_written"])
for split in SPLITS:
    check_labels(rows[split])
check_splits_are_apart(rows)
report("unseen vendors", files["test_unseen"])
report("all test rows", rows["test"])
print("\n".join(failures) or f"{sum(map(len, rows.values()))} invoices are what their card says")
sys.exit(1 if failures else 0)
