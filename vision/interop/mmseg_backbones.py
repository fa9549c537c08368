"""Importing this module registers our backbones with mmengine; that is what it is for.

A config of mmsegmentation names it: `custom_imports = dict(imports=[
"vision.interop.mmseg_backbones"])`. It is the one module of the package whose import does
something, as mmengine imports modules and calls nothing in them. In Python, call
`vision.interop.mmseg.register_backbones` instead.
"""

from vision.interop.mmseg import register_backbones

register_backbones()
