"""Every architecture of timm and torchvision by the names and shapes of its tensors, shipped as one file, and looking networks up in it."""
