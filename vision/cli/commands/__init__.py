"""The commands of `vision`, one module each; `table.py` lists them."""
