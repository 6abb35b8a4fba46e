"""Agreement of a label map with ground-truth annotations: functions on integer arrays, usable without the pipeline.

Best overlaps, Rand index and variation of information come twice: of two label maps, and of their contingency table
(`*_of_table`) for those who need several measures of one pair. Boundaries come as sums that add up over images.
Nothing here imports the rest of dynseg.
"""

from dynseg.metrics.boundaries import (
    BOUNDARY_TOLERANCE,
    BoundaryScores,
    BoundarySums,
    boundary_f_measure,
    boundary_map,
    boundary_scores,
    boundary_sums,
    boundary_sums_by_annotator,
    contour_boundaries,
    contour_boundary_sums,
    label_boundaries,
    match_boundaries,
)
from dynseg.metrics.components import connected_components
from dynseg.metrics.contingency import ContingencyTable, contingency_table, with_columns_joined
from dynseg.metrics.covering import covering
from dynseg.metrics.information import variation_of_information, variation_of_information_of_table
from dynseg.metrics.miou import best_overlaps, best_overlaps_of_table, miou
from dynseg.metrics.rand_index import probabilistic_rand_index, rand_index, rand_index_of_table
from dynseg.metrics.scales import optimal_dataset_scale, optimal_image_scale

__all__ = [
    "BOUNDARY_TOLERANCE",
    "BoundaryScores",
    "BoundarySums",
    "ContingencyTable",
    "best_overlaps",
    "best_overlaps_of_table",
    "boundary_f_measure",
    "boundary_map",
    "boundary_scores",
    "boundary_sums",
    "boundary_sums_by_annotator",
    "connected_components",
    "contingency_table",
    "contour_boundaries",
    "contour_boundary_sums",
    "covering",
    "label_boundaries",
    "match_boundaries",
    "miou",
    "optimal_dataset_scale",
    "optimal_image_scale",
    "probabilistic_rand_index",
    "rand_index",
    "rand_index_of_table",
    "variation_of_information",
    "variation_of_information_of_table",
    "with_columns_joined",
]
