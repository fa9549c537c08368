"""Average precision of boxes by Pascal VOC's rules, of 2007 and of 2010 and later."""
