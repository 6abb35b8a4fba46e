"""Mean intersection over union, pooled over every ground-truth segment of every image (Kim et al. 2020)."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dynseg.metrics.components import connected_components
from dynseg.metrics.contingency import ContingencyTable, contingency_table


def best_overlaps_of_table(table: ContingencyTable) -> NDArray[np.float64]:
    """Return the largest IoU of each annotated segment with any predicted segment: (annotated segments,) float64.

    Examples
    --------
    >>> import numpy as np
    >>> table = contingency_table(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 0]]))
    >>> best_overlaps_of_table(table).tolist()
    [0.5, 0.5]
    """
    if table.counts.size == 0:
        return np.zeros(0)
    unions = table.row_areas[table.rows] + table.column_areas[table.columns] - table.counts
    first_cell_of_row = np.flatnonzero(np.diff(table.rows, prepend=-1))
    return np.maximum.reduceat(table.counts / unions, first_cell_of_row)


def best_overlaps(
    annotation: NDArray[Any], prediction: NDArray[Any], *, void: int | None = None
) -> NDArray[np.float64]:
    """Return the largest IoU of each annotated segment with any predicted segment.

    Parameters
    ----------
    annotation, prediction : ndarray, (H, W), integer
        Label maps of the same shape.
    void : int, optional
        Label of the annotation's pixels that aren't scored.

    Returns
    -------
    ndarray, (annotated segments,), float64
        In the order of the annotation's labels.

    Raises
    ------
    ValueError
        As `contingency_table`.

    Examples
    --------
    >>> import numpy as np
    >>> best_overlaps(np.array([[0, 0, 1, 1]]), np.array([[8, 3, 3, 3]])).round(3).tolist()
    [0.5, 0.667]
    """
    return best_overlaps_of_table(contingency_table(annotation, prediction, void=void))


def miou(
    annotations: Iterable[NDArray[Any]],
    predictions: Iterable[NDArray[Any]],
    *,
    connectivity: Literal[4, 8] | None = 4,
    void: int | None = None,
) -> dict[str, float]:
    """Score a dataset: all best overlaps of all images are pooled and averaged once.

    Parameters
    ----------
    annotations : iterable of ndarray, (annotators, H, W), integer
        The annotations of each image.
    predictions : iterable of ndarray, (H, W), integer
        The label map of each image, in the same order.
    connectivity : {4, 8} or None
        How predictions are relabelled by their connected components; None leaves them as they are.
    void : int, optional
        Label of the annotations' pixels that aren't scored.

    Returns
    -------
    dict of str to float
        `all` over every annotation; `fine` over the one annotation of each image that has the most segments and
        `coarse` over the one that has the fewest, the first on a tie; `mean`, the average of these three.
        Annotations that are all void are left out.

    Raises
    ------
    ValueError
        If there are more images in one iterable than in the other, and as `contingency_table`.

    Examples
    --------
    >>> import numpy as np
    >>> annotations = [np.array([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])]
    >>> scores = miou(annotations, [np.array([[8, 8, 3, 3]])])
    >>> {name: round(score, 3) for name, score in scores.items()}
    {'all': 0.833, 'fine': 1.0, 'coarse': 0.5, 'mean': 0.778}
    """
    pools: dict[str, list[NDArray[np.float64]]] = {"all": [], "fine": [], "coarse": []}
    for segments, labels in zip(annotations, predictions, strict=True):
        predicted = labels if connectivity is None else connected_components(labels, connectivity)
        overlaps = [best_overlaps(annotation, predicted, void=void) for annotation in segments]
        overlaps = [each for each in overlaps if each.size] or [np.zeros(0)]
        pools["all"].extend(overlaps)
        pools["fine"].append(max(overlaps, key=len))
        pools["coarse"].append(min(overlaps, key=len))
    scores = {name: float(np.concatenate(pool).mean()) for name, pool in pools.items()}
    return scores | {"mean": sum(scores.values()) / len(scores)}
