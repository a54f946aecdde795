import unittest

from pagination import page_count, page_items


class PaginationTest(unittest.TestCase):
    def test_partial_last_page(self):
        self.assertEqual(page_count(21, 10), 3)
        self.assertEqual(page_items(list(range(21)), 3, 10), [20])

    def test_full_last_page(self):
        self.assertEqual(page_count(20, 10), 2)

    def test_nothing_to_show(self):
        self.assertEqual(page_count(0, 10), 0)
