"""A paper's table, run again: section 3 of Hinton, Vinyals and Dean (2015) on MNIST.

`experiments` trains its nets, `biases` sets its biases, `table` runs all of it in an order and
`stored` reads what a run has left. ``python -m distill_lessons.paper`` is the command.

Source: arXiv:1503.02531, section 3.
"""
