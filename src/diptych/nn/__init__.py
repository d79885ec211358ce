"""Networks and losses in plain torch; they know no device, file, logger or option object."""
