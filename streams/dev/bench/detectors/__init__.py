"""How well the surge detector does on simulated markets, beside other detectors and the best there could be."""
