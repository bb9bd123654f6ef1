"""Explain a model: from its outputs, from its inputs, from its structure.

| module | what it gives |
|---|---|
| `output` | confidence, entropy, margins, soft confusion |
| `permutation` | which inputs a model relies on, over a whole data set |
| `groups` | rows, columns, patches and other sets of features |
| `shapley` | exact Shapley values of up to 16 regions: the ground truth |
| `known` | exact Shapley values of linear models and decision trees |
| `shap_adapters` | deep, gradient, kernel and permutation SHAP behind one contract |
| `rescale` | deep SHAP's rule for plain ReLU nets, all pairs and classes at once |
| `checks` | which layers deep SHAP would get wrong |
| `gradients` | gradient, integrated gradients, SmoothGrad, Grad-CAM |
| `structure`, `units` | layer graph, first-layer weights, activations |
| `agreement`, `similarity` | two models, the same inputs: do they agree, and compared with what |
| `quality` | deletion, insertion, stability, the randomisation check |
| `randomisation` | a model with fresh random weights: a control |

`arrays`, `additive` and `forward` hold what these share: checked arrays, what an explanation
returns, running a model fast. `plots` draws all this. Nothing is imported here, so that a lesson
loads only what it uses.
"""
