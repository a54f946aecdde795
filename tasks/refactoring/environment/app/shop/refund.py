"""Money back."""


def refund(price: int, quantity: int, country: str, days: int) -> int:
    """What a customer gets back, VAT included: all within 30 days, half of the net amount later."""
    net = price * quantity
    if days > 30:
        net //= 2
    if country == "DE":
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
