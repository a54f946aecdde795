import unittest

from inventory.store import Store


class StoreTest(unittest.TestCase):
    def test_same_article_is_summed(self):
        store = Store()
        store.load("Bolt;5\nbolt ;7\n")
        self.assertEqual(store.levels, {"bolt": 12})

    def test_comments_and_blank_lines(self):
        store = Store()
        store.load("# delivery 14\nNut;3  # by post\n")
        self.assertEqual(store.levels, {"nut": 3})
