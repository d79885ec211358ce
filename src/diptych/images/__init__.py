"""Bytes to array to tensor in [-1, 1] and back, without losing bits, channels, alpha or the picture's orientation.

A *picture* is an array `H W C` with C >= 1, of uint8, uint16, int16 or float32; a batch is `B C H W`, float, in
[-1, 1]. Nothing is decoded before its header has passed a limit of pixels; no decoder's exception leaves this package.
"""

from diptych.images.display import display_image
from diptych.images.formats import FORMATS, LIMIT_MP, MEDIA_TYPES, SUFFIX_OF, SUFFIXES, VOLUMES, stem
from diptych.images.listing import kind_of, list_pictures
from diptych.images.neighbours import joined
from diptych.images.nifti import is_volume
from diptych.images.picture import Header, Picture
from diptych.images.reading import READING, format_of, from_array, from_pillow, header, in_parts, read, read_metadata
from diptych.images.showing import displayable, grid
from diptych.images.slices import around, file_of, is_slice, is_stack, may_be_stack, slices
from diptych.images.values import (
    LUMA,
    convert,
    filled,
    fitting_range,
    from_unit,
    match_channels,
    measured,
    own_range,
    reduced,
    resize,
    to_unit,
    value_range,
)
from diptych.images.writing import can_hold, encode, lost, write

__all__ = [
    "FORMATS",
    "LIMIT_MP",
    "LUMA",
    "MEDIA_TYPES",
    "READING",
    "SUFFIXES",
    "SUFFIX_OF",
    "VOLUMES",
    "Header",
    "Picture",
    "around",
    "can_hold",
    "convert",
    "display_image",
    "displayable",
    "encode",
    "file_of",
    "filled",
    "fitting_range",
    "format_of",
    "from_array",
    "from_pillow",
    "from_unit",
    "grid",
    "header",
    "in_parts",
    "is_slice",
    "is_stack",
    "is_volume",
    "joined",
    "kind_of",
    "list_pictures",
    "lost",
    "match_channels",
    "may_be_stack",
    "measured",
    "own_range",
    "read",
    "read_metadata",
    "reduced",
    "resize",
    "slices",
    "stem",
    "to_unit",
    "value_range",
    "write",
]
