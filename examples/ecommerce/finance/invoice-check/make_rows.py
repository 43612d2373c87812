#!/usr/bin/env python3
"""Makes the generated rows of finance/invoice-check and the tables they are checked against. The same seed makes the same files.

    make_rows.py examples/ecommerce/finance/invoice-check

Vendors, goods and phrases are split into train, validation and test before any row is made: phrases/<split>. The rows of
data/test_written.jsonl were written one by one before this program; it keeps their vendors, contracts and orders as they are.
"""
import csv
import datetime
import decimal
import json
import pathlib
import random
import re
import sys

from vendor_names import Vendor, plain

SEED = 20261126
N_TRAIN, N_VALIDATION, N_UNSEEN = 9000, 800, 800
READ = ("vendor", "order", "terms", "void")       # what only reading decides
COUNTED = ("totals", "tax", "duplicate", "vendor", "order", "terms")  # what arithmetic and look-up decide
TABLES = {"vendors": ("vat_id", "name", "trades_as", "country"), "contracts": ("vat_id", "days", "words"),
          "orders": ("id", "order", "vat_id", "line", "description", "quantity", "unit_price"),
          "booked": ("id", "vat_id", "number", "order", "date", "total")}
WORDS = {1: "one", 2: "two", 3: "three", 5: "five", 7: "seven", 8: "eight", 10: "ten", 14: "fourteen", 15: "fifteen", 20: "twenty",
         21: "twenty-one", 30: "thirty", 40: "forty", 45: "forty-five", 50: "fifty", 60: "sixty", 75: "seventy-five", 90: "ninety",
         120: "a hundred and twenty"}
UNITS = {7: ["one week", "a week"], 14: ["two weeks", "2 weeks", "a fortnight"], 21: ["three weeks", "3 weeks"],
         30: ["one month", "a month", "a full month"], 45: ["six and a half weeks", "one and a half months"],
         60: ["two months", "2 months", "two calendar months"], 90: ["three months", "3 months", "a quarter"],
         120: ["four months", "4 months", "a third of a year"]}
ORDERS_PER_VENDOR = 3
FIRST_ORDER = {"train": 47000001, "validation": 48000001, "test": 49002157}  # the test rows are older than the present banks
FRAMED = 0.2  # of the goods in other words, and of other goods: by a frame that fits any thing
cent = decimal.Decimal("0.01")


class Phrases:
    """The phrase banks of one split. [a|b] in a phrase is one of them."""

    def __init__(self, folder, split):
        read = lambda name: (folder / "phrases" / split / f"{name}.txt").read_text(encoding="utf-8").splitlines()
        self.goods = [[[phrase.strip() for phrase in part.split(" ; ")] for part in line.split(" | ")] for line in read("goods")]
        self.terms, self.sooner, self.void, self.fine, self.names = map(read, ("terms", "sooner", "void", "fine", "names"))
        trades = (folder / "phrases" / "trades.txt").read_text(encoding="utf-8").splitlines()
        self.trades = [tuple(line.split(" | ")) for line in trades]
        if split == "test":  # frozen before there were such frames
            self.around = self.instead = []
        else:
            self.around, self.instead = map(read, ("around", "instead"))


def one_of_each(rng, phrase):
    return re.sub(r"\[([^][]*)\]", lambda choice: rng.choice(choice[1].split("|")), phrase).strip()


def duration(rng, days):
    unit = "day" if days == 1 else "days"
    return rng.choice([f"{days} {unit}", f"{WORDS[days]} {unit}", f"{days} calendar {unit}"] + UNITS.get(days, [])[:3])


def terms_in_words(rng, phrases, days, sooner):
    if sooner and rng.random() < 0.3:
        frame, asked = rng.choice(phrases.sooner), rng.choice([14, 30, 60])
    else:
        frame = rng.choice(phrases.terms)
        asked = rng.choice([d for d in WORDS if d <= 0.8 * days]) if sooner else \
            days if rng.random() < 0.6 else rng.choice([d for d in WORDS if d >= days])
    return one_of_each(rng, frame).replace("{n}", str(asked)).replace("{d}", duration(rng, asked))


def sentence(rng, bank):
    number = rng.choice(["RE-%d", "%d", "INV %d", "R%d", "F/%d"]) % rng.randrange(100, 99999)
    day = rng.choice(["3 May", "12.04.", "June 2", "the 9th", "17 March", "28 Feb"])
    text = one_of_each(rng, rng.choice(bank)).replace("{n}", number).replace("{t}", day)
    return text[0].upper() + text[1:] if rng.random() < 0.5 else text


def note(rng, phrases, is_void):
    """A sentence; of seven, one has another that makes nothing void before or behind it."""
    said = [sentence(rng, phrases.void if is_void else phrases.fine)]
    if rng.random() < 1 / 7:
        said.insert(rng.randrange(2), sentence(rng, phrases.fine))
    return ". ".join(said) + rng.choice(["", "", "", ".", "!"])


class Maker:
    """Makes invoices of one split's vendors, each with an order of its own, and fills the tables.

    Their notes and terms are none that `said` has, and go into it.
    """

    def __init__(self, folder, split, seed, tables, said):
        self.rng = random.Random(f"{seed} {split}")
        self.phrases = Phrases(folder, split)
        self.split, self.tables, self.n = split, tables, 0
        self.n_orders_before = len(tables["orders"])
        self.said_elsewhere, self.said = frozenset(said), said
        self.vendors = [self._vendor() for _ in range(max(40, 2 * len(self.phrases.names)))]

    def _vendor(self):
        taken = {row[0] for row in self.tables["vendors"]}
        while True:
            vendor = Vendor(self.rng, self.phrases.names, self.phrases.trades)
            if vendor.vat_id not in taken:
                break
        self.tables["vendors"].append((vendor.vat_id, vendor.name, vendor.trades_as, vendor.country))
        self.tables["contracts"].append((vendor.vat_id, vendor.days, f"{vendor.days} days net"))
        vendor.orders, vendor.dates = [], set()
        vendor.next_number = self.rng.randrange(100, 90000)
        return vendor

    def row(self, kind, how=None, counted=()):
        """One invoice. `how` says of each thing to read whether it is "wrong", right "in words" of its own, or plain: as on file."""
        rng, vendor = self.rng, self.rng.choice(self.vendors)
        self.n += 1
        how = dict.fromkeys(READ, "plain") | (how or {})
        order, ordered = self._order(vendor)
        date = self._date_of(vendor)
        vendor.next_number += rng.randrange(1, 30)
        invoice = {"vendor": self._seller(vendor, how["vendor"]), "vendor_id": vendor.vat_id,
                   "number": rng.choice(["RE-", "INV-", "", "2026/"]) + str(vendor.next_number), "date": str(date)}
        if rng.random() < 0.4:
            invoice["due_date"] = str(date + datetime.timedelta(days=vendor.days + rng.choice([0, 0, 3])))
        invoice |= {"order_number": order, "currency": "EUR", "lines": self._lines(vendor, ordered, how["order"])}
        self._add_up(invoice)
        if how["terms"] != "plain":
            invoice["terms"] = self._own_words(terms_in_words, vendor.days, how["terms"] == "wrong")
        elif rng.random() < 0.5:
            invoice["terms"] = f"{vendor.days} days net"
        if how["void"] != "plain":
            invoice["notes"] = self._own_words(note, how["void"] == "wrong")
        for reason in counted:
            getattr(self, f"_break_{reason}")(invoice, vendor, date)
        reasons = [r for r in ("totals", "tax", "duplicate", "vendor", "order", "terms", "void") if r in counted or how.get(r) == "wrong"]
        return {"id": f"{self.split}-{self.n:05d}", "input": invoice,
                "output": {"decision": "rejected" if reasons else "approved", "reasons": reasons},
                "tags": {"kind": kind}}

    def _own_words(self, write, *how):
        """Terms or a note that no other split has."""
        while True:
            text = write(self.rng, self.phrases, *how)
            if plain(text) not in self.said_elsewhere:
                self.said.add(plain(text))
                return text

    def _date_of(self, vendor):
        """A date of its own: equal order, date and total would make an invoice the duplicate of another."""
        while True:
            date = datetime.date(2026, 1, 5) + datetime.timedelta(days=self.rng.randrange(320))
            if date not in vendor.dates:
                vendor.dates.add(date)
                return date

    def _seller(self, vendor, how):
        if how == "plain":
            return vendor.name
        if how == "in words":
            return vendor.same_in_other_words(self.rng)
        return vendor.another_company(self.rng, self.phrases.names, self.phrases.trades)

    def _order(self, vendor):
        """One of the vendor's orders: [what was ordered, its other names, other things, quantity, price] per line."""
        rng = self.rng
        if len(vendor.orders) == ORDERS_PER_VENDOR:
            return rng.choice(vendor.orders)
        number = str(FIRST_ORDER[self.split] + len(self.tables["orders"]) - self.n_orders_before)
        lines = []
        for position, ((thing,), same, others) in enumerate(rng.sample(self.phrases.goods, rng.choice([1, 1, 1, 2])), 1):
            names = [thing, *same]
            ordered = thing if rng.random() < 0.7 else rng.choice(same)
            rest = [name for name in names if name != ordered]
            if rng.random() < 0.1:  # what is otherwise the other thing
                ordered, others = rng.choice(others), names
                rest = [f"{ordered}, art. {rng.randrange(100, 9999)}", f"{ordered} (new)", f"{rng.randrange(10, 99)} {ordered}"]
            quantity, price = rng.choice([1, 2, 4, 5, 10, 12, 25, 40]), decimal.Decimal(rng.randrange(150, 20000)) / 100
            self.tables["orders"].append((f"{number}/{position}", number, vendor.vat_id, position, ordered, quantity, str(price)))
            lines.append((ordered, rest, others, quantity, price))
        vendor.orders.append((number, lines))
        return vendor.orders[-1]

    def _lines(self, vendor, order, how):
        rng = self.rng
        lines = []
        for position, (ordered, rest, others, quantity, price) in enumerate(order, 1):
            billed = ordered
            if how == "wrong" and position == 1:
                names, same, _ = rng.choice(self.phrases.goods)
                elsewhere = [name for name in names + same if name not in rest + [ordered]]
                billed = rng.choice(others) if rng.random() < 0.75 or not elsewhere else rng.choice(elsewhere)
                billed = self._framed(self.phrases.instead, [ordered, *rest], billed)
            elif how == "in words" and (position == 1 or rng.random() < 0.5):
                billed = rng.choice(rest)
                billed = self._framed(self.phrases.around, [ordered, *rest], billed)
            billed_quantity = quantity if rng.random() < 0.8 else (quantity + 1) // 2
            lines.append({"position": position, "description": billed, "quantity": billed_quantity, "unit_price": float(price),
                          "amount": float(billed_quantity * price), "tax_rate": 23 if vendor.country == "IE" else 0})
        rng.shuffle(lines)
        return lines

    def _framed(self, frames, names, otherwise):
        """One of a thing's names in words that may stand around any, as an article's number or "repair of"; mostly `otherwise`."""
        rng = self.rng
        if not frames or rng.random() >= FRAMED:
            return otherwise
        return one_of_each(rng, rng.choice(frames)).replace("{g}", rng.choice(names)).replace("{n}", str(rng.randrange(100, 99999)))

    def _add_up(self, invoice):
        exact = lambda number: decimal.Decimal(str(number))
        net = sum(exact(line["amount"]) for line in invoice["lines"])
        tax = (sum(exact(line["amount"]) * exact(line["tax_rate"]) for line in invoice["lines"]) / 100).quantize(cent)
        invoice |= {"net": float(net), "tax": float(tax), "total": float(net + tax)}

    def _break_totals(self, invoice, vendor, date):
        kind = self.rng.choice(["total", "net", "line"])
        if kind == "line":
            invoice["lines"][0]["amount"] = round(invoice["lines"][0]["amount"] + self.rng.choice([9, 0.9, -1.5]), 2)
            self._add_up(invoice)
        else:
            off = self.rng.choice([10, -5, 0.27, -0.03])
            invoice[kind] = round(invoice[kind] + off, 2)
            if kind == "net":
                invoice["total"] = round(invoice["total"] + off, 2)

    def _break_tax(self, invoice, vendor, date):
        if self.rng.random() < 0.5:
            invoice["lines"][0]["tax_rate"] = self.rng.choice([3, 16, 18, 27])  # rates that no country of ours has
            self._add_up(invoice)
        else:
            off = self.rng.choice([0.5, -0.4, 12])
            invoice["tax"], invoice["total"] = round(invoice["tax"] + off, 2), round(invoice["total"] + off, 2)

    def _break_duplicate(self, invoice, vendor, date):
        number, order, day = plain(invoice["number"]), invoice["order_number"], str(date)
        if self.rng.random() < 0.3:
            number += "a"  # under another number, but order, date and total are equal
        else:
            order, day = "", str(date - datetime.timedelta(days=20))
        total = decimal.Decimal(str(invoice["total"])).quantize(cent)
        self.tables["booked"].append((f"B{len(self.tables['booked']) + 1:05d}", vendor.vat_id, number, order, day, str(total)))
        if self.rng.random() < 0.4:
            invoice["number"] = invoice["number"].lower().replace("-", " ")

    def _break_vendor(self, invoice, vendor, date):
        if self.rng.random() < 0.3:
            del invoice["vendor_id"]
        else:
            known = {row[0] for row in self.tables["vendors"]}
            digits = [i for i, c in enumerate(vendor.vat_id) if c.isdigit()]
            while invoice["vendor_id"] in known:
                at = self.rng.choice(digits)
                invoice["vendor_id"] = vendor.vat_id[:at] + str(self.rng.randrange(10)) + vendor.vat_id[at + 1:]

    def _break_order(self, invoice, vendor, date):
        kind = self.rng.choice(["none", "unknown", "quantity", "price"])
        line = invoice["lines"][0]
        if kind == "none":
            del invoice["order_number"]
        elif kind == "unknown":
            invoice["order_number"] = str(self.rng.randrange(30000000, 40000000))
        elif kind == "quantity":
            line["quantity"] = 2 * line["quantity"] + 41
        else:
            line["unit_price"] = round(line["unit_price"] + self.rng.choice([0.5, 2, 10]), 2)
        line["amount"] = round(line["quantity"] * line["unit_price"], 2)
        self._add_up(invoice)

    def _break_terms(self, invoice, vendor, date):
        invoice["due_date"] = str(date + datetime.timedelta(days=vendor.days - self.rng.choice([1, 3, 5, 7])))


def some_to_read(rng, wrong, in_words):
    """Each thing to read is wrong, right in words, or plain, with these probabilities."""
    return {what: rng.choices(["wrong", "in words", "plain"], [wrong, in_words, 1 - wrong - in_words])[0] for what in READ}


def training_rows(maker, n):
    """Rows that ask one question, as the written ones do, and rows that ask several, which teach more per token."""
    rng = maker.rng
    for _ in range(n):
        kind = rng.random()
        if kind < 0.6:
            yield maker.row("one", {rng.choices(READ, [4, 7, 3, 5])[0]: rng.choice(["wrong", "in words"])})
        elif kind < 0.92:
            yield maker.row("several", some_to_read(rng, 0.25, 0.4))
        elif kind < 0.95:
            yield maker.row("plain")
        else:
            yield maker.row("counted", counted=[rng.choice(COUNTED)])


def unseen_rows(maker, n):
    """As a desk gets them: most are as ordered and agreed; of the rejected, two in five are rejected by reading alone."""
    rng = maker.rng
    for _ in range(n):
        kind = rng.random()
        if kind < 0.55:
            yield maker.row("unseen", some_to_read(rng, 0, 0.12))
        elif kind < 0.76:
            yield maker.row("unseen", some_to_read(rng, 0, 0.05) | {rng.choice(READ): "wrong"})
        else:
            yield maker.row("unseen", some_to_read(rng, 0, 0.05), [rng.choice(COUNTED)])


def reading_rows(maker, n):
    """As the written ones: one thing to read, wrong in one row, right in the next."""
    for i in range(n):
        yield maker.row("reading", {READ[i // 2 % len(READ)]: "in words" if i % 2 else "wrong"})


def rows_of_tables(data, vendors):
    """What the tables have of these vendors."""
    tables = {}
    for name, columns in TABLES.items():
        path = data / f"{name}.csv"
        rows = list(csv.reader(open(path, encoding="utf-8", newline="")))[1:] if path.exists() else []
        tables[name] = [tuple(row) for row in rows if row[columns.index("vat_id")] in vendors]
    return tables


def write_table(path, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(folder):
    data = folder / "data"
    written = [json.loads(line)["input"] for line in (data / "test_written.jsonl").read_text(encoding="utf-8").splitlines()]
    tables = rows_of_tables(data, {invoice["vendor_id"] for invoice in written})
    said = set()
    make = lambda split: Maker(folder, split, SEED, tables, said)
    write_rows(data / "test_unseen.jsonl", unseen_rows(make("test"), N_UNSEEN))
    said |= {plain(invoice.get(words, "")) for invoice in written for words in ("terms", "notes")}
    validation = make("validation")
    write_rows(data / "validation.jsonl", [*unseen_rows(validation, N_VALIDATION // 2), *reading_rows(validation, N_VALIDATION // 2)])
    write_rows(data / "train.jsonl", training_rows(make("train"), N_TRAIN))
    for name, columns in TABLES.items():
        write_table(data / f"{name}.csv", columns, tables[name])


main(pathlib.Path(sys.argv[1]))
