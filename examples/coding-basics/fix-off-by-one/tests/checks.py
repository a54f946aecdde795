"""What /app/pagination.py must do."""

import unittest

from pagination import page_count, page_items


class Checks(unittest.TestCase):
    def test_count(self):
        for total, size, pages in [(0, 10, 0), (1, 10, 1), (9, 10, 1), (10, 10, 1), (20, 10, 2), (21, 10, 3)]:
            with self.subTest(total=total):
                self.assertEqual(page_count(total, size), pages)

    def test_every_item_is_shown_once(self):
        items = list(range(23))
        shown = [item for page in range(1, page_count(23, 5) + 1) for item in page_items(items, page, 5)]
        self.assertEqual(shown, items)


unittest.main()
