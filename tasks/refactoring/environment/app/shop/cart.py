"""The shopping cart."""

VAT = {"AT": 20, "DE": 19, "FR": 20, "LU": 17}


class Cart:
    """What a customer is about to buy."""

    def __init__(self, country: str) -> None:
        self.country = country
        self.lines: list[tuple[str, int, int]] = []

    def add(self, article: str, price: int, quantity: int = 1) -> None:
        self.lines.append((article, price, quantity))

    def total(self) -> int:
        """What is to be paid, VAT included. VAT is taken once, on the sum."""
        net = sum(price * quantity for _, price, quantity in self.lines)
        return net + (net * VAT[self.country] + 50) // 100
