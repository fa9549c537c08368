"""Average precision of instance masks by the rules of Cityscapes' scripts."""
