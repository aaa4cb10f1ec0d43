"""Users' feedback files as records: unpacked, decoded, recognised by content, read within bounded memory."""
