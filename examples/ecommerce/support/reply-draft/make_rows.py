#!/usr/bin/env python3
"""Training rows made of the written triples: their tickets with other names and numbers, and plain replies.

    make_rows.py FOLDER        writes FOLDER/data/plain.jsonl; the same bytes each time

A model of this size learns the numbers of 270 replies by heart, and of their wit only the sound. So each ticket comes in VARIANTS copies, in
which the customer, the colleague, every id, amount, date, rate and term of payment is another, the same in ticket and findings; some lack a
finding or have one more; and the reply is plain_reply.py's. Test and validation rows are not read.
"""
import json
import pathlib
import random
import re
import sys

from plain_reply import plain_reply

VARIANTS = 3
MONTHS = "January February March April May June July August September October November December".split()
DAYS = dict(zip(MONTHS, (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)))
# What is no text to copy: words of the closed lists.
CLOSED = {"issue_type", "priority", "invoice_decision", "reasons", "parcel_status", "remedy", "refused_because", "done", "missing"}

FIRST_NAMES = """Amelie Bruno Carla Dorian Elif Fabian Greta Hamza Irena Jannis Katja Lorenz Maren Nils Odile Pavel Quirin Rania Stefan Tessa
Ulla Vadim Wanda Yusuf Zora Alina Bastian Celeste Darko Esther Flora Gunnar Helene Ivo Johanna Karim Lidia Matteo Nina Oskar Priya Rasmus
Soraya Timo Ursula Viktor Willa Yvonne Zeno Astrid Boris Chiara Dennis Edda Felix Gerda Hugo Ines Jonas Kirsten Lars Mona Noel""".split()
LAST_NAMES = """Abel Bergström Castro Dahl Engel Fischer Gallo Hansen Ivanov Jansen Keller Lopez Moreau Novotny Olsen Pereira Quist Rossi
Schulz Tanaka Ulrich Vargas Weber Yilmaz Zimmer Albers Brandão Cerny Duarte Eriksen Fontana Grimm Hoffer Iversen Jankowski Kramer Lindner
Meyer Nagel Oberg Petrow Ritter Sato Thorne Urban Vogel Winkler Young Zapata""".split()
FIRMS = ["Albers Metallbau", "Café Morgenrot", "Dahl & Sons", "Druckerei Engel", "Hotel Seeblick", "Kanzlei Vogel", "Lindner Optik",
         "Moreau Frères", "Olsen Marine", "Praxis Dr. Keller", "Schule am Bach", "Studio Nordlicht", "Tanaka Trading", "Weingut Ritter",
         "Zapata Foods", "Autohaus Grimm", "Bakery Fontana", "Clinic Westhill", "Farm Oberg", "Garage Novotny"]
# Replies say "hear from her": a colleague stays a woman or a man.
WOMEN = {"Ines Calder", "Olga Brandt", "Petra Maas", "Nadia Roy"}
NEW_WOMEN = ["Amelie Fischer", "Carla Gallo", "Elif Hansen", "Greta Ivanov", "Irena Jansen", "Katja Keller", "Maren Lopez", "Odile Moreau",
             "Rania Novotny", "Tessa Olsen", "Ulla Pereira", "Wanda Quist", "Zora Rossi", "Alina Schulz", "Esther Tanaka", "Flora Ulrich"]
NEW_MEN = ["Bruno Weber", "Dorian Yilmaz", "Fabian Zimmer", "Hamza Albers", "Jannis Brandão", "Lorenz Cerny", "Nils Duarte",
           "Pavel Eriksen", "Stefan Fontana", "Vadim Grimm", "Yusuf Hoffer", "Bastian Iversen", "Darko Jankowski", "Gunnar Kramer",
           "Ivo Lindner", "Karim Meyer"]


def other_customer(name, draw):
    words = name.split()
    if len(words) > 2 or re.search(r"&|[a-z]{9}|\b(AS|Lda|Hotels?|School|Library)\b", name):
        return draw.choice(FIRMS)
    if re.match(r"[A-Z]\. ", name):
        return f"{draw.choice('ABCDEFGHKLMPRST')}. {draw.choice(LAST_NAMES)}"
    if re.search(r" [A-Z]\.$", name):
        return f"{draw.choice(FIRST_NAMES)} {draw.choice('ABCDEFGHKLMPRST')}."
    if words[0] in ("Mr", "Mrs", "Mme", "Dr.", "Prof.", "Familie"):
        return f"{words[0]} {draw.choice(LAST_NAMES)}"
    return " ".join([draw.choice(FIRST_NAMES)] + [draw.choice(LAST_NAMES)] * (len(words) - 1))


def other_digits(text, draw):
    """As many digits, none that leads a number being 0."""
    drawn = re.sub(r"\d", lambda _: draw.choice("0123456789"), text)
    return re.sub(r"(?<![\d.,])0(?=\d)", lambda _: draw.choice("123456789"), drawn)


def texts_of(value):
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(item)


def other_dates(text, draw):
    """All days moved by the same number, and half the time to other months."""
    days, months = draw.randint(-9, 9), draw.choice((0, draw.randint(1, 11)))
    for day, month in set(re.findall(rf"\b(\d{{1,2}}) ({'|'.join(MONTHS)})\b", text)):
        moved = MONTHS[(MONTHS.index(month) + months) % 12]
        yield f"{day} {month}", f"{(int(day) + days - 1) % DAYS[moved] + 1} {moved}"


def replacements(given, draw):
    findings, text, pairs = given["findings"], "\n".join(texts_of(given)), {}
    if "customer" in given:
        pairs[given["customer"]] = other_customer(given["customer"], draw)
    if "contact" in findings:
        pairs[findings["contact"]] = draw.choice(NEW_WOMEN if findings["contact"] in WOMEN else NEW_MEN)
    for number in sorted(set(re.findall(r"\b(?:RR-|O-|[A-Z]{2})\d{4,}\b", text))):
        pairs[number] = other_digits(number, draw)
    for amount in sorted(set(re.findall(r"(?<![\d.,])\d{1,3}(?:,?\d{3})*\.\d\d(?![\d.])", text)), key=lambda found: (len(found), found)):
        plain = amount.replace(",", "")
        pairs[plain] = pairs.get(plain) or other_digits(plain, draw)
        pairs[amount] = f"{float(pairs[plain]):,.2f}" if "," in amount else pairs[plain]
    for rate in sorted({findings.get(name) for name in ("billed_tax", "correct_tax")} - {None}):
        pairs[rate] = f"{draw.randint(4, 27)} %"
    for terms in sorted({findings.get(name) for name in ("billed_terms", "agreed_terms")} - {None}):
        if re.fullmatch(r"\d+ days", terms):
            pairs[terms] = f"{draw.choice((5, 7, 8, 10, 14, 15, 20, 21, 28, 30, 40, 45, 60, 90))} days"
    pairs.update(sorted(other_dates(text, draw)))
    return pairs


def replaced(value, pairs, pattern):
    if isinstance(value, str):
        return pattern.sub(lambda match: pairs[match[0]], value)
    if isinstance(value, list):
        return [replaced(item, pairs, pattern) for item in value]
    return {key: item if key in CLOSED else replaced(item, pairs, pattern) for key, item in value.items()}


def other_findings(findings, draw):
    """Now and then a person or a time is promised, or no more, so that they are read and not guessed."""
    added = {"contact": draw.choice(NEW_WOMEN + NEW_MEN), "sla_due": f"{draw.randint(1, 28)} {draw.choice(MONTHS)} 2026"}
    for name, value in added.items():
        if draw.random() < 0.15:
            findings = {**findings, name: value} if name not in findings else {k: v for k, v in findings.items() if k != name}
    return findings


def vary(row, topic, number, draw):
    pairs = replacements(row["input"], draw)
    while len(set(pairs.values())) < len(pairs):  # two became one
        pairs = replacements(row["input"], draw)
    longest_first = sorted(pairs, key=lambda text: (-len(text), text))
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in longest_first) or "(?!)")
    given = replaced(row["input"], pairs, pattern)
    given["findings"] = other_findings(given["findings"], draw)
    return {"id": f"{row['id']}-{number}", "input": given, "output": {"reply": plain_reply(given, replaced(topic, pairs, pattern))}}


def main():
    data = pathlib.Path(sys.argv[1]) / "data"
    rows = [json.loads(line) for line in (data / "train.jsonl").open(encoding="utf-8")]
    topics = dict(line.split(" ", 1) for line in (data / "topics.txt").read_text(encoding="utf-8").splitlines())
    with (data / "plain.jsonl").open("w", encoding="utf-8") as out:
        for number in range(1, VARIANTS + 1):
            draw = random.Random(number)
            for row in rows:
                out.write(json.dumps(vary(row, topics[row["id"]], number, draw), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
