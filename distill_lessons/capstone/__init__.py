"""A capstone: claims registered before the runs, runs that are kept, a card that cites them.

`contract` registers three claims, `ledger` keeps what was run, `card` ties each number of a model
card to its record and `standing` says which claims survive. All of it lies in one folder. `unseen`
makes of a data set one that nobody has seen. Finds slips and afterthoughts, not forgers: whoever
writes all files anew can write whatever they like, unless somebody else keeps the contract's seal.
"""
