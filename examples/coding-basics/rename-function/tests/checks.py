"""The rename is complete and nothing else changed."""

import re
import subprocess
import sys
import unittest
from pathlib import Path


class Checks(unittest.TestCase):
    def test_new_name_works(self):
        from shop.prices import line_total

        self.assertEqual(line_total(450, 10, 20), 3600)

    def test_report_prints_what_it_did(self):
        run = subprocess.run(
            [sys.executable, "-m", "shop.report"], cwd="/app", capture_output=True, text=True, check=False
        )
        self.assertEqual(run.stdout, "first line 5997, cart 11420\n", run.stderr[-200:])

    def test_old_name_is_gone(self):
        left = [file.name for file in Path("/app/shop").glob("*.py") if re.search(r"\bcalc\b", file.read_text())]
        self.assertEqual(left, [])


unittest.main()
