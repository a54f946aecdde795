"""Prints the monthly figures."""

from shop import prices
from shop.cart import Cart

COLUMNS = {"net": "calc", "gross": "with_tax"}


def main() -> None:
    cart = Cart()
    cart.add(1999, 3)
    cart.add(450, 10, discount=20)
    net = getattr(prices, COLUMNS["net"])(1999, 3)
    print(f"first line {net}, cart {cart.total()}")


if __name__ == "__main__":
    main()
