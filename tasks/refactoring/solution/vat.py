"""VAT: the rates, and how it is rounded."""


class VatTable:
    """Rates by country, in whole percent."""

    def __init__(self, rates: dict[str, int]) -> None:
        self.rates = dict(rates)

    def vat(self, net: int, country: str) -> int:
        """VAT in cents, half a cent up; KeyError for a country without a rate."""
        return (net * self.rates[country] + 50) // 100


TODAY = VatTable({"AT": 20, "DE": 19, "FR": 20, "LU": 17})
