"""Where to connect to and how to encrypt: what the drivers need beside the engine."""

__all__: list[str] = []
