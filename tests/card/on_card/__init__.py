"""Tests that have the software card for a GPU: `tests/card/test_with_a_card.py` runs them in processes of their own."""
