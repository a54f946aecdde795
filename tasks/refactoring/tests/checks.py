"""What the package does, with today's table and with others, against a reckoning of our own.

The package runs in processes of its own, which are told what to call and never what should come of it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TODAY = {"AT": 20, "DE": 19, "FR": 20, "LU": 17}
OTHER = {"DE": 7, "NO": 25, "LU": 3}
# For all runs together: well below the limit in task.toml, past which there would be no grade at all.
SECONDS = 30
BEGUN = time.monotonic()
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)

LINES = [
    [["pen", 50, 1]],
    [["ink", 149, 3], ["pad", 1, 1]],
    [["chair", 12950, 2], ["mat", 333, 5], ["felt", 7, 11]],
    [["nothing", 0, 4]],
    [],
]
SALES = [["DE", 50], ["LU", 150], ["NO", 1050], ["DE", 2950], ["AT", 333], ["XX", 12], ["LU", 50], ["FR", 8]]

# Runs beside the agent's package: reads calls, says what came of each.
CALLER = '''
import json, sys
sys.path.insert(0, "/app")
asked = json.load(sys.stdin)
from shop import vat
from shop.cart import Cart
from shop.invoice import invoice_text
from shop.refund import refund
from shop.report import vat_owed

class Odd:
    """No VatTable, and no rates: VAT by a rule that nobody writes out by chance."""
    def vat(self, net, country):
        if country == "XX":
            raise KeyError(country)
        return net % 89 + 1000 * len(country)

def cart(lines, country, **more):
    one = Cart(country)
    for line in lines:
        one.add(*line)
    return one.total(**more)

tables = {"today": None, "odd": Odd(), "other": vat.VatTable(asked["other"])}
tables["set"] = tables["other"]
calls = {
    "cart": cart,
    "invoice": lambda lines, country, **more: invoice_text([tuple(line) for line in lines], country, **more),
    "refund": refund,
    "owed": lambda sales, **more: vat_owed([tuple(sale) for sale in sales], **more),
    "vat": lambda net, country, table: table.vat(net, country),
}
answers = []
today = vat.TODAY
for name, table, arguments in asked["calls"]:
    vat.TODAY = tables["other"] if table == "set" else today
    more = {} if table in ("today", "set") else {"table": tables[table]}
    if name == "vat":
        more = {"table": vat.TODAY if table in ("today", "set") else tables[table]}
    try:
        answers.append(calls[name](*arguments, **more))
    except KeyError:
        answers.append("KeyError")
print("\\n" + json.dumps(answers))
'''


# ---- what is right


def vat(net: int, country: str, table: str) -> int:
    if table == "odd":
        if country == "XX":
            raise KeyError(country)
        return net % 89 + 1000 * len(country)
    rates = TODAY if table == "today" else OTHER
    return (net * rates[country] + 50) // 100


def euro(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def cart(lines: list, country: str, table: str) -> int:
    net = sum(price * quantity for _, price, quantity in lines)
    return net + vat(net, country, table)


def invoice(lines: list, country: str, table: str) -> str:
    rows, gross = [], 0
    for article, price, quantity in lines:
        net = price * quantity
        tax = vat(net, country, table)
        gross += net + tax
        rows.append(f"{quantity} x {article}: {euro(net)} + {euro(tax)} VAT")
    return "\n".join([*rows, f"to pay: {euro(gross)}"])


def refund(price: int, quantity: int, country: str, days: int, table: str) -> int:
    net = price * quantity // (2 if days > 30 else 1)
    return net + vat(net, country, table)


def owed(sales: list, table: str) -> dict:
    found: dict = {}
    for country, net in sales:
        try:
            found[country] = found.get(country, 0) + vat(net, country, table)
        except KeyError:
            continue
    return found


RIGHT = {"cart": cart, "invoice": invoice, "refund": refund, "owed": owed, "vat": vat}


def calls() -> list:
    found = []
    for table in ("today", "other", "odd", "set", "today"):
        for country in ("AT", "DE", "FR", "LU", "NO", "XX"):
            for lines in LINES:
                found += [["cart", table, [lines, country]], ["invoice", table, [lines, country]]]
            for price, quantity, days in ((150, 1, 30), (150, 1, 31), (1999, 3, 0), (333, 7, 400)):
                found.append(["refund", table, [price, quantity, country, days]])
            if table != "odd":
                found += [["vat", table, [net, country]] for net in (0, 2, 3, 50, 150, 250, 1050, 99_999)]
        found.append(["owed", table, [SALES]])
    return found


def expected(name: str, table: str, arguments: list) -> object:
    try:
        return RIGHT[name](*arguments, table)
    except KeyError:
        return "KeyError"


# ---- the agent's package


def end_all() -> None:
    """Ends all that the agent's code started; what left its parents became ours, by the first call of `main`."""
    while True:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                    os.kill(int(stat.parent.name), signal.SIGKILL)
            except (OSError, ValueError):
                continue
        try:
            # What it ended leaves its own children to us: again, until there are none.
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def run(*command: str, given: str = "") -> str | None:
    """What a program prints; None where it fails or takes too long. All that it started is ended."""
    # Files, not pipes: a process that it left behind would keep those open.
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(given.encode())
        source.seek(0)
        process = subprocess.Popen(command, stdin=source, stdout=out, cwd="/app")
        try:
            code = process.wait(max(0.0, SECONDS - (time.monotonic() - BEGUN)))
        except subprocess.TimeoutExpired:
            code = None
        end_all()
        out.seek(0)
        return out.read().decode(errors="replace") if code == 0 else None


def answers(asked: list) -> list | None:
    printed = run(sys.executable, "-c", CALLER, given=json.dumps({"other": OTHER, "calls": asked}))
    try:
        found = json.loads((printed or "").splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return found if isinstance(found, list) and len(found) == len(asked) else None


def printed_by_the_program(orders: list) -> str:
    rows = []
    for order in orders:
        rows += [invoice(order["lines"], order["country"], "today")]
        rows += [f"cart: {cart(order['lines'], order['country'], 'today')}"]
    sales = [[one["country"], sum(price * quantity for _, price, quantity in one["lines"])] for one in orders]
    rows += [f"{country}: {cents}" for country, cents in sorted(owed(sales, "today").items())]
    return "\n".join(rows) + "\n"


def main() -> int:
    ctypes.CDLL(None).prctl(SUBREAPER, 1)
    # From here on the agent's code runs: what is right must not lie where it can read it.
    Path(__file__).unlink()
    asked = calls()
    found = answers(asked)
    if found is None:
        print("FAIL: the package cannot be called as the instruction says")
        return 1
    wrong = 0
    for call, answer in zip(asked, found):
        right = expected(*call)
        if answer != right or type(answer) is not type(right):
            wrong += 1
            if wrong <= 5:
                print(f"FAIL: {call[0]}{tuple(call[2])} with the table `{call[1]}`: expected {right!r}, found {answer!r}")
    print(f"{len(asked) - wrong} of {len(asked)} calls are right")
    countries = ("LU", "AT", "DE")
    orders = [{"country": country, "lines": lines} for country, lines in zip(countries, LINES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "orders.json")
        path.write_text(json.dumps(orders))
        if run(sys.executable, "-m", "shop", str(path)) != printed_by_the_program(orders):
            print("FAIL: `python3 -m shop` does not print what it printed")
            wrong += 1
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
