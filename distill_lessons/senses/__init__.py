"""The same thing seen from elsewhere: in a domain far from home, or by another sense.

| module | what it holds |
|---|---|
| `domains` | images blurred and rotated, and brought back to the mean and spread of home |
| `views` | what is left of an image: sums of rows and columns, a spectrum; units of its own |
| `sound` | an image as a sound, a player for it, and an ear: a spectrogram in bands |
"""
