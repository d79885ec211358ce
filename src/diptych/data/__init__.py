"""Folders of pictures: recognised, audited, split, augmented, cached, loaded. Only the loader needs torch."""

from diptych.data.audit import Audit, check
from diptych.data.dataset import Data
from diptych.data.folders import Folder, Item
from diptych.data.opening import open_data
from diptych.data.recognising import recognise

__all__ = ["Audit", "Data", "Folder", "Item", "check", "open_data", "recognise"]
