"""WordNet and text as references: what classes mean, and how far apart they are."""
