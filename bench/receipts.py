#!/usr/bin/env python3
"""Open fields on real receipts: company, date and total copied out of SROIE's.

    bench/receipts.py SHOAL SROIE FOLDER [--train=N] [--test=N]

SHOAL is the program, SROIE the folder with train.jsonl and test.jsonl (ICDAR 2019, CC BY 4.0), FOLDER is made anew: a
workspace with one SLM, built with `shoal build`. SHOAL_HOME must have smollm2-135m-instruct. Prints how often each
field is right on the test receipts, beside the base without training (the floor `prompted`) and beside plain rules:
the first line, the first date, the largest number with cents.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import re
import subprocess

SPEC = """slm: receipt
description: Read a receipt. Write the company that issued it, the date, and the total to pay.
base: smollm2-135m-instruct
input:
  type: object
  required: [receipt]
  properties: {receipt: {type: string, maxLength: 4000}}
output:
  type: object
  required: [company, date, total]
  properties:
    company: {type: string, format: copied, maxLength: 80}
    date: {type: string, format: date}
    total: {type: number, format: copied}
data:
  - {path: train.jsonl, split: train}
  - {path: validation.jsonl, split: validation}
  - {path: test.jsonl, split: test}
training: {candidates: [lora], epochs: 1, batch: 4, learning_rate: 0.001}
gates:
  - {metric: accuracy, field: company, above: prompted}
  - {metric: accuracy, field: date, min: 0.95}
  - {metric: accuracy, field: total, above: prompted}
"""
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
VALIDATION = 16


def as_date(text):
    """The day that an annotation of SROIE means; None: it cannot be read."""
    text, names = text.strip("() ").lower(), "|".join(MONTHS)
    if named := re.fullmatch(rf"(\d\d?)[ /-]({names})[a-z]*[ /-](\d\d|\d{{4}})", text):
        day, month, year = named[1], MONTHS.index(named[2]) + 1, named[3]
    elif named := re.fullmatch(rf"({names})[a-z]* (\d\d?), (\d{{4}})", text):
        day, month, year = named[2], MONTHS.index(named[1]) + 1, named[3]
    elif plain := re.fullmatch(r"(\d{4})[-/](\d\d)[-/](\d\d)|(\d{4})(\d\d)(\d\d)", text):
        year, month, day = (part for part in plain.groups() if part)
    elif plain := re.fullmatch(r"(\d\d?)[-/.](\d\d?)[-/.](\d\d|\d{4})", text):
        day, month, year = plain.groups()
        if int(month) > 12:
            day, month = month, day
    else:
        return None
    try:
        return datetime.date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)).isoformat()
    except ValueError:
        return None


def as_row(receipt):
    """What the data says, as the output of the SLM; None: the annotation has no number or no day."""
    values = receipt["output"]
    total = re.fullmatch(r"-?\d+(\.\d+)?", re.sub(r"RM|\$| |,", "", values["total"] or ""))
    date = as_date(values["date"] or "")
    if not total or not date or not values["company"]:
        return None
    output = {"company": values["company"], "date": date, "total": 0}
    text = json.dumps({"id": receipt["id"], "input": {"receipt": receipt["input"]}, "output": output})
    return text.replace('"total": 0', f'"total": {total[0]}')  # the digits of the data, no float


def by_rules(text):
    dates = (as_date(found[0]) for found in re.finditer(r"\d\d?[ /.-][A-Za-z0-9]{2,9}[ /.-]\d{2,4}|\d{4}[-/]\d\d[-/]\d\d", text))
    amounts = [float(found.replace(",", "")) for found in re.findall(r"\d[\d,]*\.\d\d(?!\d)", text)]
    return {"company": " ".join(text.split("\n")[0].split()), "date": next((d for d in dates if d), None),
            "total": max(amounts, default=None)}


def same(field, ours, value):
    if field == "total":
        return ours is not None and abs(ours - value) < 0.005
    return ours == (" ".join(value.split()) if field == "company" else value)


def write(path, rows):
    path.write_text("".join(row + "\n" for row in rows))


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("shoal")
    ask.add_argument("sroie", type=pathlib.Path)
    ask.add_argument("folder", type=pathlib.Path)
    ask.add_argument("--train", type=int, default=10_000, help="training receipts at most")
    ask.add_argument("--test", type=int, default=10_000, help="test receipts at most")
    asked = ask.parse_args()

    rows = {}
    for split in ("train", "test"):
        receipts = map(json.loads, (asked.sroie / f"{split}.jsonl").read_text().splitlines())
        rows[split] = [row for row in map(as_row, receipts) if row]
        random.Random(1).shuffle(rows[split])
    slm = asked.folder / "team" / "receipt"
    slm.mkdir(parents=True)
    (asked.folder / "shoal.yaml").write_text("organisation: receipts\nteams: {team: {description: Accounts}}\n")
    (slm / "slm.yaml").write_text(SPEC)
    write(slm / "validation.jsonl", rows["train"][:VALIDATION])
    write(slm / "train.jsonl", rows["train"][VALIDATION:VALIDATION + asked.train])
    test = rows["test"][:asked.test]
    write(slm / "test.jsonl", test)

    subprocess.run([asked.shoal, "build", "team/receipt"], cwd=asked.folder, env=os.environ, check=False)

    test = list(map(json.loads, test))
    for field in ("company", "date", "total"):
        right = sum(same(field, by_rules(row["input"]["receipt"])[field], row["output"][field]) for row in test)
        print(f"plain rule, {field}: {right} of {len(test)} = {right / len(test):.3f}")


main()
