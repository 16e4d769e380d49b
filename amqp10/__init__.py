"""AMQP 1.0 for Python."""

try:
    import amqp10._codec  # noqa: F401  (here, so that whichever module comes first, the hint is given)
except ModuleNotFoundError as error:
    if error.name != "amqp10._codec":
        raise
    raise ImportError(
        "amqp10's extension module is not built here; in a checkout run: python -m pip install . "
        "(or: python setup.py build_ext --inplace)"
    ) from error
