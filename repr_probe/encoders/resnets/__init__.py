"""ResNets: one parametric network, the names files give its tensors, and how it is told from their shapes."""
