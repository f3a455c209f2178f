"""Sets of history items whose removal changes a recommendation: the smallest ones, with a certificate."""

__all__: list[str] = []
