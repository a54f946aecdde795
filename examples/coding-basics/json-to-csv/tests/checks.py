"""Reads /app/orders.csv back."""

import csv
import unittest
from pathlib import Path

EXPECTED = [
    ["id", "customer", "email", "total", "items"],
    ["101", "Ada Byron", "ada@example.org", "120.50", "2"],
    ["102", "Smith, Jones & Co", "office@example.org", "80.00", "1"],
    ["103", 'Max "Mo" Miller', "", "9.99", "3"],
    ["104", "Zoë Łuk", "zoe@example.org", "0.00", "0"],
]


class Checks(unittest.TestCase):
    def test_script_is_there(self):
        self.assertTrue(Path("/app/export.py").is_file())

    def test_rows_read_back(self):
        with Path("/app/orders.csv").open(newline="", encoding="utf-8") as file:
            self.assertEqual(list(csv.reader(file)), EXPECTED)


unittest.main()
