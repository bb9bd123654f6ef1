"""Thirteen short programs, each with one fault that is often found, beside the right ones.

They are written plainly, as such programs are, and check nothing of what they are given. All run
to their end, and most return a number that nobody would stumble over.

| module | the right program | what is wrong in the others |
|---|---|---|
| `losses` | `kd_loss` | own guesses for targets, weights swapped, no T², a mean over classes |
| `teaching` | `asked`, `distil` | train mode, another order, a teacher unheard or moved |
| `measuring` | `accuracy` and others | labels against themselves, nothing shuffled, test, softmax |
| `listing` | | shows a program as a notebook would hold it |
"""
