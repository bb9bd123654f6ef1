"""Students that can be read: decision trees and soft decision trees.

A linear student needs no code of its own: it is `models.mlp` without hidden units.
"""
