"""Commands that train and judge on labelled texts (extra `train`)."""
