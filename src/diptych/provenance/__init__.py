"""What a machine made says so: credentials, settings and perhaps an invisible mark in each file, and their check.

The credentials are those of the Coalition for Content Provenance and Authenticity, https://spec.c2pa.org, version 2.
"""

from diptych.provenance.sealing import SEALABLE, Sealer
from diptych.provenance.settings import read_settings
from diptych.provenance.verifying import Verdict, verify

__all__ = ["SEALABLE", "Sealer", "Verdict", "read_settings", "verify"]
