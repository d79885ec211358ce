"""What a machine made says so: in each file credentials, settings, perhaps an invisible mark; and how they are checked.

The credentials are those of the Coalition for Content Provenance and Authenticity, https://spec.c2pa.org, version 2.
"""

from diptych.provenance.certificate import Certificate, own_certificate, read_certificate
from diptych.provenance.sealing import MEDIA_TYPES, Sealer
from diptych.provenance.verifying import Verdict, verify

__all__ = ["MEDIA_TYPES", "Certificate", "Sealer", "Verdict", "own_certificate", "read_certificate", "verify"]
