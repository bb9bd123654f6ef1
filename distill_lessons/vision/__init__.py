"""Nets for small images in colour, and what their training and explaining need.

| module | what it holds |
|---|---|
| `shapes` | ten shapes in colour, made by a seed: images that need no download |
| `nets` | torchvision's ResNet, VGG and GoogLeNet fitted to small images, and a small student |
| `weights` | weights from a folder on this machine, for those nets |
| `views` | flips and shifts that can be counted, so that a teacher's answers to all can be kept |
| `fitting` | one recipe for all nets of a lesson, and the parts of a pool for every repeat |
| `maps` | feature maps of a layer, and how far the attention of two layers agrees |
"""
