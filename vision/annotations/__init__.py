"""Annotation formats: what their files may hold, judged once for every part that reads them."""
