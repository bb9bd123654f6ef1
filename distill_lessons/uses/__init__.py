"""What explanations are used for: to train with, to change an answer, to stand in for a model.

| module | what it holds |
|---|---|
| `reasons` | objectives that look at a student's slopes: like the teacher's, or none where told |
| `counterfactuals` | few changes of an input that make a model answer otherwise |
| `alternatives` | what such changes may be made of, and changes by chance |
| `surrogates` | LIME: a linear model of a model, near one input |
| `influence` | how hard a training image pulls at the weights |
| `patchwork` | a net whose units see one patch each, dealt out as an explanation says |
"""
