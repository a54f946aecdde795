"""The parser reads names as they are meant, and the project's own test is unchanged."""

import hashlib
import unittest
from pathlib import Path

from inventory.parser import parse
from inventory.store import Store

TEST_SHA256 = "f23509cc0fb4427235404e78898e11d24ed3bd3a8e0a357ef7a11c5eed8b927d"


class Checks(unittest.TestCase):
    def test_the_test_is_unchanged(self):
        digest = hashlib.sha256(Path("/app/test_inventory.py").read_bytes()).hexdigest()
        self.assertEqual(digest, TEST_SHA256)

    def test_parser_trims_names(self):
        self.assertEqual(parse(" Bolt ; 5\n"), [("Bolt", 5)])

    def test_line_of_only_a_comment_and_blanks(self):
        self.assertEqual(parse("   # nothing\n\nNut;1\n"), [("Nut", 1)])

    def test_levels(self):
        store = Store()
        store.load("Bolt;5\nbolt ;7\n")
        self.assertEqual(store.levels, {"bolt": 12})


unittest.main()
