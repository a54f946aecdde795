"""Invoices as text."""

from decimal import ROUND_HALF_UP, Decimal

RATES = {"AT": "0.20", "DE": "0.19", "FR": "0.20", "LU": "0.17"}


def invoice_text(lines: list[tuple[str, int, int]], country: str) -> str:
    """A row per line, with the VAT of each line, and what is to be paid."""
    rows = []
    gross = 0
    for article, price, quantity in lines:
        net = price * quantity
        vat = int((Decimal(net) * Decimal(RATES[country])).quantize(Decimal(1), rounding=ROUND_HALF_UP))
        gross += net + vat
        rows.append(f"{quantity} x {article}: {_euro(net)} + {_euro(vat)} VAT")
    return "\n".join([*rows, f"to pay: {_euro(gross)}"])


def _euro(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
