"""What crosses the wire: types, names, codes, decoding."""
