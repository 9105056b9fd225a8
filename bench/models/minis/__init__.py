"""Small foundation models of the embedded world: weights, their cards and the code that pre-trained them."""
