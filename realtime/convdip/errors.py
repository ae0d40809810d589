"""The errors of the project, one small tree.

::

    ConvDipError            everything below; the command line prints it as one line
    ├── BundleError         a model bundle is missing, damaged or not what it says
    ├── StreamError         an LSL stream is not there, or not what was asked for
    ├── MontageError        labels or units of a stream do not fit the model's electrodes
    ├── ProviderError       the execution provider that was asked for cannot be had
    ├── PriorityError       the real-time priority that was asked for cannot be had
    ├── RecordingError      a recording cannot be read
    ├── ConfigError         a setting is unknown or out of range
    └── DisplayError        no window can be opened, or no page served, here

Each message says what was found, what was expected and what to do.
"""


class ConvDipError(Exception):
    """Base of all errors that a user can cause or mend."""


class BundleError(ConvDipError):
    """A model bundle is missing, damaged or not what it says it is."""


class StreamError(ConvDipError):
    """An LSL stream cannot be found, or is not what was asked for."""


class MontageError(ConvDipError):
    """The labels or units of a stream do not fit the model's electrodes."""


class ProviderError(ConvDipError):
    """The execution provider that was asked for cannot be had."""


class PriorityError(ConvDipError):
    """The real-time priority that was asked for cannot be had."""


class RecordingError(ConvDipError):
    """A recording cannot be read."""


class ConfigError(ConvDipError):
    """A setting is unknown or out of range."""


class DisplayError(ConvDipError):
    """No window can be opened, or no page served, here."""
