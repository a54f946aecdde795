"""Rewrites the four modules in the working folder; each old text must be there once."""

from pathlib import Path

CHANGES = {
    "cart.py": [
        ('VAT = {"AT": 20, "DE": 19, "FR": 20, "LU": 17}\n', "from shop import vat\n"),
        ("def total(self) -> int:", "def total(self, *, table=None) -> int:"),
        ("(net * VAT[self.country] + 50) // 100", "(table or vat.TODAY).vat(net, self.country)"),
    ],
    "invoice.py": [
        ("from decimal import ROUND_HALF_UP, Decimal\n\n", "from shop import vat as rates\n"),
        ('RATES = {"AT": "0.20", "DE": "0.19", "FR": "0.20", "LU": "0.17"}\n', ""),
        ("country: str) -> str:", "country: str, *, table=None) -> str:"),
        ("    rows = []\n", "    table = table or rates.TODAY\n    rows = []\n"),
        (
            "int((Decimal(net) * Decimal(RATES[country])).quantize(Decimal(1), rounding=ROUND_HALF_UP))",
            "table.vat(net, country)",
        ),
    ],
    "refund.py": [
        ('"""Money back."""\n', '"""Money back."""\n\nfrom shop import vat\n'),
        ("days: int) -> int:", "days: int, *, table=None) -> int:"),
        (
            """    if country == "DE":
        rate = 19
    elif country in ("AT", "FR"):
        rate = 20
    elif country == "LU":
        rate = 17
    else:
        raise KeyError(country)
    vat, rest = divmod(net * rate, 100)
    if rest >= 50:
        vat += 1
    return net + vat
""",
            "    return net + (table or vat.TODAY).vat(net, country)\n",
        ),
    ],
    "report.py": [
        ('offices."""\n', 'offices."""\n\nfrom shop import vat\n'),
        ("sales: list[tuple[str, int]])", "sales: list[tuple[str, int]], *, table=None)"),
        ('    rates = {"AT": 0.2, "DE": 0.19, "FR": 0.2, "LU": 0.17}\n', "    table = table or vat.TODAY\n"),
        ("        if country not in rates:\n", "        try:\n            cents = table.vat(net, country)\n"),
        ("            continue\n", "        except KeyError:\n            continue\n"),
        ("int(round(net * rates[country] * 100) / 100 + 0.5)", "cents"),
    ],
}

for name, changes in CHANGES.items():
    text = Path(name).read_text()
    for old, new in changes:
        if text.count(old) != 1:
            raise SystemExit(f"{name}: {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    Path(name).write_text(text)
