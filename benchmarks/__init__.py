"""What the package is measured against: what a user would do instead, in one process, as a ratio.

Run ``python -m benchmarks`` in a checkout. Results are compared before a time is believed.
"""
