"""Whether saliency maps are right, not only pretty: grids, composites, given masks, random weights, insertion and deletion."""
