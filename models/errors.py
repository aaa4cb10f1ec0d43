"""Errors of the classifier.

ModelError
├── BadArtifact        the model folder cannot be trusted or used; the process refuses to start
├── BadTopics          a file of own topics cannot be read or used
├── DeviceMissing      the device that was asked for is not there
├── DeviceFailed       the device does not run even one text: the worker ends, so that none is lost
└── BadOutput          the model answered with something that is no probability
"""


class ModelError(Exception):
    """Root of the classifier's errors; none is retriable."""

    retriable = False


class BadArtifact(ModelError):
    """The model folder cannot be used. Operator action: restore the folder or export the model again."""


class BadTopics(ModelError):
    """A file of own topics cannot be used. Operator action: correct what the message names."""


class DeviceMissing(ModelError):
    """The device is not there. Operator action: install its runtime, or set MARKETPULSE_DEVICE=auto or cpu."""


class DeviceFailed(ModelError):
    """The device was there and fails now. Operator action: look at its state and who else uses its memory."""


class BadOutput(ModelError):
    """The model answered with NaN or values outside [0, 1]. Operator action: go back to the model before."""
