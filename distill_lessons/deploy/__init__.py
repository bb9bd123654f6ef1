"""From a notebook to a device: what a net weighs, what it costs, and whether it is still the same.

| module | what it holds |
|---|---|
| `int8` | a net whose weights and activations are whole numbers, simulated in floats |
| `pruning` | a net most of whose weights are zero |
| `cost` | bytes, times in turn with their spread, energy where the system tells |
| `onnx_net` | a net as a file that another library runs; needs the extra `deploy` |
| `serving` | a net behind an address of this machine |

Nothing is imported here: the extra is needed only by who exports.
"""
