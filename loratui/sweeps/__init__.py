"""Experiments: one declaration of several runs, their queue, and their results side by side."""
