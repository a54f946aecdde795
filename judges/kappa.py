"""Cohen's kappa: how far two raters agree beyond what chance would have them agree on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]


def cohen_kappa(pairs: Iterable[tuple[str, str]]) -> float | None:
    """Of pairs of labels, one of each rater.

    None for no pairs, and where both give one and the same label throughout, so that chance alone would agree.
    """
    import numpy as np

    given = list(pairs)
    place_of = {label: place for place, label in enumerate(sorted({label for pair in given for label in pair}))}
    table = np.zeros((1, len(place_of), len(place_of)))
    for one, other in given:
        table[0, place_of[one], place_of[other]] += 1
    value = float(kappa(table, 0)[0])
    return None if math.isnan(value) else value


def kappa(tables: Floats, power: int) -> Floats:
    """Cohen's kappa of each table: 1 - (observed / expected disagreement), NaN where no disagreement is expected.

    Args:
        tables: confusion matrices; the last two axes are the two raters' labels, in their order.
        power: 0 for any disagreement alike (Cohen, 1960); 1 for weights that grow with the distance of the labels in
            their order, 2 for its square (Cohen, 1968).
    """
    import numpy as np

    size = tables.shape[-1]
    distance = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    weights = (distance > 0).astype(float) if power == 0 else distance.astype(float) ** power
    rows, columns = tables.sum(axis=-1), tables.sum(axis=-2)
    observed = (tables * weights).sum(axis=(-2, -1))
    expected = np.einsum("bi,bj,ij->b", rows, columns, weights)
    n = tables.sum(axis=(-2, -1))
    return 1 - _ratio(observed * n, expected)


def _ratio(above: Floats, below: Floats) -> Floats:
    import numpy as np

    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
