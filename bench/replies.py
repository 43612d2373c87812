#!/usr/bin/env python3
"""The replies of a version of support/reply-draft, in full, beside a template's and the written ones.

    shoal build support/reply-draft --json > BUILD         what was built before is not built again
    bench/replies.py BUILD EXAMPLE_DIR                    all three, as markdown
    bench/replies.py BUILD EXAMPLE_DIR --blind=KEY.json   for a reader: ours and the template's as A and B

EXAMPLE_DIR is examples/ecommerce/support/reply-draft. The order of A and B is drawn from the row's id (seed 1), and KEY.json
says which is ours. A reply that was not answered, and would be handed to a person, is shown as such and left out of the blind pages.
"""
import hashlib
import json
import pathlib
import sys


def rows_of(path):
    return {row["id"]: row for row in map(json.loads, path.open(encoding="utf-8"))}


def lines_of(value):
    for key, item in value.items():
        yield f"- {key}: {', '.join(item) if isinstance(item, list) else item}"


def ticket(row):
    given = row["input"]
    yield f"**{given['subject']}**"
    yield f"\n> {given['body']}\n"
    yield f"customer: {given.get('customer', 'not named')}\n"
    yield from lines_of(given["findings"])


def main():
    report, folder = json.loads(pathlib.Path(sys.argv[1]).read_text())["report"], pathlib.Path(sys.argv[2])
    key_path = next((a.split("=", 1)[1] for a in sys.argv[3:] if a.startswith("--blind=")), None)
    test, template = rows_of(folder / "data/test.jsonl"), rows_of(folder / "data/template_test.jsonl")
    key = {}
    for text in sorted(report["test"]["text"]["rows"], key=lambda r: r["id"]):
        if key_path and text["text"] is None:
            continue
        print(f"\n## {text['id']}\n", *ticket(test[text["id"]]), sep="\n")
        theirs = template[text["id"]]["output"]["reply"]
        if key_path:
            is_first = hashlib.sha256(f"1 {text['id']}".encode()).digest()[0] % 2 == 0
            key[text["id"]] = "A" if is_first else "B"
            a, b = (text["text"], theirs) if is_first else (theirs, text["text"])
            print(f"\n**A.** {a}\n\n**B.** {b}")
            continue
        ours = text["text"] or f"(handed to a person: {text['reason']})"
        attempt = "" if text["first_attempt"] or not text["text"] else " (second attempt)"
        print(f"\n**Ours{attempt}.** {ours}\n\n**Template.** {theirs}\n\n**Written.** {text['written']}")
    if key_path:
        pathlib.Path(key_path).write_text(json.dumps(key, indent=1) + "\n")


if __name__ == "__main__":
    main()
