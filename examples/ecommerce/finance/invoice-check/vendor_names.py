"""Names of vendors, the spellings of a name that mean the same company, and names that mean another one (LABELLING.md)."""
import unicodedata

FORMS = {"AT": ["GmbH", "OG"], "BE": ["NV", "SA"], "DE": ["GmbH", "AG", "KG", "GmbH & Co. KG", "e.K.", "OHG"], "DK": ["ApS", "A/S"],
         "ES": ["S.L.", "S.A."], "FR": ["SARL", "SAS", "SA"], "IE": ["Ltd", "Limited"], "IT": ["S.r.l.", "S.p.A."], "NL": ["B.V."],
         "PL": ["sp. z o.o.", "S.A."], "PT": ["Lda", "S.A."], "SE": ["AB"]}
VAT_SHAPES = {"AT": "ATU########", "BE": "BE0#########", "DE": "DE#########", "DK": "DK########", "ES": "ESB########",
              "FR": "FR###########", "IE": "IE#######FA", "IT": "IT###########", "NL": "NL#########B01", "PL": "PL##########",
              "PT": "PT#########", "SE": "SE##########01"}
WRITTEN_OUT = {"GmbH": "Gesellschaft mit beschränkter Haftung", "AG": "Aktiengesellschaft", "KG": "Kommanditgesellschaft",
               "e.K.": "eingetragener Kaufmann", "SARL": "S.à r.l.", "Ltd": "Limited", "Limited": "Ltd.", "AB": "Aktiebolag",
               "B.V.": "BV", "S.r.l.": "Srl", "S.p.A.": "SpA", "Lda": "Limitada", "S.L.": "Sociedad Limitada",
               "sp. z o.o.": "Sp. z o. o.", "ApS": "Aps", "SA": "Société Anonyme", "NV": "N.V.", "S.A.": "SA"}
FAMILIES = ["& Söhne", "& Sons", "& Partner", "et Fils", "& Co", "& Brothers"]
BRANCHES = ["Nord", "Vertrieb", "International", "Group Sales", "Online", "Deutschland", "Europe", "Versand", "Shop", "Nord-West-Versand",
            "Fachhandel", "Großhandel", "Wholesale", "Import", "Export", "Import-Export", "Lager Süd", "Warehouse", "Depot", "Center", "Centre",
            "Zentrum", "Werk 2", "Werke", "Works", "Workshop", "Werkstatt", "Manufaktur", "Atelier", "Studio", "Fachmarkt", "Outlet",
            "Professional", "Pro", "Plus", "Premium", "Quality", "Original", "Classic", "Express", "24", "Family Business", "Familienbetrieb",
            "Meisterbetrieb", "Fachbetrieb", "Team", "Accounts", "Buchhaltung", "Billing", "Rechnungsstelle", "Customer Care", "Export Sales",
            "since 1923", "seit 1898", "Kiel", "Graz", "Bremen", "Galway", "Bilbao", "Porto", "Lille", "Gdansk", "Malmö", "Aarhus", "Torino"]
OTHERS_OF_A_GROUP = ["Holding", "Inkasso", "Leasing", "Factoring", "Finance", "Collections", "Beteiligungen", "Capital",
                     "Immobilien", "Real Estate", "Insurance", "Ventures", "Grundbesitz", "Verwaltung", "Treuhand", "Invest", "Investments",
                     "Bank", "Credit", "Debt Recovery", "Trust", "Foundation", "Stiftung", "Versicherungen", "Properties", "Asset Management",
                     "Pension Fund", "Financial Services", "Forderungsmanagement", "Vermögensverwaltung"]
FIRST_NAMES = ["Anna", "Karl", "Marie", "John", "Lena", "Paul", "Eva", "Tom", "Rosa", "Jan", "Ines", "Mark", "Peter", "Sofia", "Hans",
               "Julia", "Pierre", "Carlos", "Giulia", "Niamh", "Sven", "Katarzyna", "Michael", "Elena", "Dr. Max", "Luis", "Emma", "Oskar"]
ENDINGS = "mann son berg ski czyk er ini elli ford ton wood sen stein hof i a es ez s e el in dal bach feld au ham ley".split()
SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "o", "Ø": "O", "ł": "l",
                         "Ł": "L"})


def plain(text):
    """The letters and digits of a text, as the facts of slm.yaml compare them."""
    return "".join(c for c in text.lower() if c.isalnum())


def unaccented(text):
    return unicodedata.normalize("NFKD", text.translate(SPELLED)).encode("ascii", "ignore").decode()


class Vendor:
    """A company on file: distinctive word, trade, legal form."""

    def __init__(self, rng, words, trades):
        self.word = rng.choice(words)
        self.country = rng.choice(sorted(FORMS))
        self.form = rng.choice(FORMS[self.country])
        self.trades = rng.choice(trades) if rng.random() < 0.8 else [""]  # words for one trade
        self.trade = rng.choice(self.trades)
        kind = rng.random()
        family = rng.choice(FAMILIES) if kind < 0.1 else ""
        self.core = " ".join(part for part in ("Gebrüder" if kind > 0.95 else "", self.word, family, self.trade) if part)
        self.name = f"{self.core} {self.form}"
        self.trades_as = f"{rng.choice(words)} {rng.choice(trades)[0]}" if rng.random() < 0.12 else ""
        self.vat_id = "".join(str(rng.randrange(10)) if c == "#" else c for c in VAT_SHAPES[self.country])
        self.days = rng.choice([7, 10, 14, 21, 30, 45, 60, 90])

    def same_in_other_words(self, rng):
        if self.trades_as and rng.random() < 0.6:
            return self.trades_as + (f" {self.form}" if rng.random() < 0.3 else "")
        while True:
            name = self._respelled(rng)
            if plain(name) != plain(self.name):
                return name

    def _respelled(self, rng):
        name = self.core
        if rng.random() < 0.5:
            name = unaccented(name)
        if rng.random() < 0.5:
            name = name.replace("&", rng.choice(["and", "und", "+", "et"])).replace(" et ", " & ").replace("Brothers", "Bros")
            name = name.replace("Gebrüder", rng.choice(["Gebr.", "Geb."])).replace("Söhne", "Soehne")
        if self.trade and rng.random() < 0.35:
            without = name.replace(f" {self.trade}", "")
            name = rng.choice([without, name.replace(self.trade, rng.choice(self.trades)), f"{self.trade} {without}"])
        if rng.random() < 0.3:
            name += " " + rng.choice(BRANCHES)
        form = rng.random()
        if form < 0.65:
            name += " " + (WRITTEN_OUT.get(self.form, self.form) if form < 0.4 else self.form)
        return name.upper() if rng.random() < 0.15 else name

    def _another_trade(self, rng, trades):
        return rng.choice(rng.choice([words for words in trades if words != self.trades]))

    def another_company(self, rng, words, trades):
        word = self.word
        while True:
            kind = rng.random()
            if kind < 0.2:
                name = f"{self.core.replace(word, misspelled(rng, word))} {self.form}"
            elif kind < 0.4:
                name = f"{self.core.replace(word, with_another_ending(rng, word))} {self.form}"
                if self.trade and rng.random() < 0.25:
                    name = name.replace(self.trade, self._another_trade(rng, trades))
            elif kind < 0.55:
                name = f"{self.core.replace(word, rng.choice(words))} {self.form}"
            elif kind < 0.72 and self.trade:
                name = f"{self.core.replace(self.trade, self._another_trade(rng, trades))} {self.form}"
            elif kind < 0.88:
                sister = rng.choice([other for other in OTHERS_OF_A_GROUP if other not in self.trades])
                name = f"{word} {sister} {rng.choice([self.form, 'AG', 'Ltd', 'GmbH'])}"
            elif kind < 0.95:
                name = f"{rng.choice(FIRST_NAMES)} {word}" + rng.choice([", private", "", " (private account)", ", personally"])
            else:
                name = f"{rng.choice(words)} on behalf of {word}"
            if plain(name) != plain(self.name):
                break
        form = rng.random()
        if form < 0.2:
            return unaccented(name)
        if form < 0.3:
            return name.upper()
        if form < 0.4:
            return name.replace(f" {self.form}", "")
        return name.replace(self.form, WRITTEN_OUT.get(self.form, self.form)) if form < 0.5 else name


def misspelled(rng, word):
    while True:
        at = rng.randrange(1, len(word) - 1)
        kind = rng.randrange(3)
        other = word[:at] + (rng.choice("aeinorst") if kind else "") + word[at + (kind < 2):]
        if unaccented(other).lower() != unaccented(word).lower():
            return other


def with_another_ending(rng, word):
    while True:
        other = word[:rng.randrange(3, max(4, len(word) - 1))] + rng.choice(ENDINGS)
        if unaccented(other).lower() != unaccented(word).lower() and abs(len(other) - len(word)) <= 4:
            return other
