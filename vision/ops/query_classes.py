"""The pairs of a query and a class that are most probable."""

from typing import NamedTuple

from torch import Tensor

from vision.ops.boxes import at_least_float32


class QueryClasses(NamedTuple):
    """D pairs of each image, by falling score.

    Attributes:
        scores: float `(B, D)` of the class, in [0, 1].
        labels: int64 `(B, D)` class.
        queries: int64 `(B, D)` query.
    """

    scores: Tensor
    labels: Tensor
    queries: Tensor

    def take(self, values: Tensor) -> Tensor:
        """The values `(B, D)` or `(B, D, N)` of the queries of the pairs, in float32 at least.

        Args:
            values: float `(B, Q)` or `(B, Q, N)`.
        """
        values = at_least_float32(values)
        if values.ndim == 2:
            return values.gather(1, self.queries)
        return values.gather(1, self.queries[..., None].expand(-1, -1, values.shape[-1]))


def best_classes(logits: Tensor, count: int) -> QueryClasses:
    """Choose the most probable pairs; a query may be chosen for several classes.

    Args:
        logits: float `(B, Q, K)` of Q queries and K classes, before the sigmoid.
        count: Number D of pairs; fewer if there are not as many.
    """
    shares = at_least_float32(logits).sigmoid()
    classes = shares.shape[-1]
    count = min(count, int(shares.shape[1]) * classes)
    scores, places = shares.flatten(1).topk(count, dim=1)
    return QueryClasses(scores, places % classes, places // classes)
