"""Finding things in a scene: scenes made of a data set's images, a grid, its losses, its score."""
