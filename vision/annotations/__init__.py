"""Annotation formats: readers and checks shared by all parts that read them."""
