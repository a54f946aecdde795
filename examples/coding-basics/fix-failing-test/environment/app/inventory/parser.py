"""Reads a supplier's file.

One `name;quantity` per line; `#` starts a comment; blanks around a name or a quantity mean nothing.
"""


def parse(text: str) -> list[tuple[str, int]]:
    rows = []
    for line in text.splitlines():
        line = line.split("#")[0]
        if not line:
            continue
        name, quantity = line.split(";")
        rows.append((name, int(quantity)))
    return rows
