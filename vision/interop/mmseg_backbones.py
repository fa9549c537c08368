"""Importing this module registers our backbones with mmengine.

A config of mmsegmentation names it: `custom_imports = dict(imports=[
"vision.interop.mmseg_backbones"])`. Its import has a side effect because mmengine
imports modules and calls nothing in them. In Python, call
`vision.interop.mmseg.register_backbones` instead.
"""

from vision.interop.mmseg import register_backbones

register_backbones()
