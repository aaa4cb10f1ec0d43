"""What is known of a classifier's confusion, and how well."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows P(answered | true), each Dirichlet: mean (m, 3, 3) and weight (m, 3) in texts; m markets or languages."""

    mean: NDArray[np.float64]
    weight: NDArray[np.float64]
