"""Texts that are part numbers, and texts that are not."""

import unittest

from validator import is_part_number

VALID = ["AB-1234", "ZZ-0000", "AB-1234-X", "QR-9081-Z"]
INVALID = ["", "ab-1234", "A-1234", "ABC-1234", "AB-123", "AB-12345", "AB1234", "AB-1234-W", "AB-1234-", "AB-1234X"]
TRAPS = ["AB-1234\n", " AB-1234", "AB-1234-X ", "ÄB-1234", "AB-١٢٣٤"]


class Checks(unittest.TestCase):
    def test_valid(self):
        for text in VALID:
            with self.subTest(text):
                self.assertTrue(is_part_number(text))

    def test_invalid(self):
        for text in INVALID + TRAPS:
            with self.subTest(text):
                self.assertFalse(is_part_number(text))


unittest.main()
