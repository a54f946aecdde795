"""`python3 -m shop ORDERS.json`: prints an invoice per order, the carts' totals and the VAT that is owed."""

import json
import sys
from pathlib import Path

from shop.cart import Cart
from shop.invoice import invoice_text
from shop.report import vat_owed


def main() -> None:
    orders = json.loads(Path(sys.argv[1]).read_text())
    sales = []
    for order in orders:
        lines = [(article, price, quantity) for article, price, quantity in order["lines"]]
        cart = Cart(order["country"])
        for line in lines:
            cart.add(*line)
        print(invoice_text(lines, order["country"]))
        print(f"cart: {cart.total()}")
        sales.append((order["country"], sum(price * quantity for _, price, quantity in lines)))
    for country, cents in sorted(vat_owed(sales).items()):
        print(f"{country}: {cents}")


if __name__ == "__main__":
    main()
