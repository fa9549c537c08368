"""Bridges to other frameworks; each module needs its own, and no other part imports it."""
