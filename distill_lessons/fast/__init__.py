"""The same numbers, quicker; read last.

`training` and `losses` say what is computed. These modules compute it with fewer operations: the
loss together with its gradient (`closed_form`), many nets of one shape in one call (`batched`,
`stacking`), and a GPU's training steps launched as a whole (`captured`, `watching`).
"""
