"""k-means on colours: the paper's simplest baseline. Every pixel is described by the RGB window around it."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from dynseg.methods import Context, Method, Segmentation
from dynseg.parameters import parameter_class

# Fitting on this many pixels reaches the same inertia as fitting on a whole BSD500 image, several times faster.
FITTED_PIXELS = 40_000


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number from 1 to 99")
    return value


@parameter_class
class KMeansParameters:
    """Parameters of k-means."""

    clusters: Annotated[
        int, Field(ge=1, description="k, the number of clusters; the paper's table has 17, it tried 2 to 20")
    ] = 17
    window: Annotated[
        int,
        Field(
            ge=1,
            le=99,
            description="α, the odd side of the window in pixels; the paper tried 1, 3, 5 and 7 and doesn't say which "
            "its table has",
        ),
        AfterValidator(_odd),
    ] = 5


def segment(image: NDArray[np.uint8], context: Context, parameters: KMeansParameters) -> Segmentation:
    """Cluster the α×α RGB windows of an image (the k-means of section IV of the paper; scikit-learn).

    The clusters come from one k-means++ start on at most `FITTED_PIXELS` pixels drawn without replacement; then
    every pixel gets its nearest one.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
        RGB.
    context : Context
        The seed decides the drawn pixels and the start.
    parameters : KMeansParameters

    Returns
    -------
    Segmentation
        Each pixel's cluster. A cluster needn't be connected.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    windows = colour_windows(image, parameters.window)
    drawn = windows
    if len(windows) > FITTED_PIXELS:
        drawn = windows[np.random.default_rng(context.seed).choice(len(windows), FITTED_PIXELS, replace=False)]
    # Of two clusters with the same centre, rounding would decide which one a pixel is nearest to.
    clusters = min(parameters.clusters, len(np.unique(drawn, axis=0)))
    # Several threads add up in the order in which they finish, which changes labels from run to run.
    with threadpool_limits(limits=1):
        model = KMeans(clusters, n_init=1, random_state=context.seed).fit(drawn)
        labels = model.predict(windows)
    return Segmentation(labels.reshape(image.shape[:2]))


def colour_windows(image: NDArray[np.uint8], window: int) -> NDArray[np.float32]:
    """Return the RGB values of the window around every pixel; beyond the border the image is mirrored.

    Parameters
    ----------
    image : ndarray, (H, W, 3), uint8
    window : int
        Odd side of the window, in pixels.

    Returns
    -------
    ndarray, (H · W, 3 · window²), float32
        In [0, 1], pixels in row-major order. The pixels at the border themselves are mirrored too (d c b a | a b c d).
    """
    height, width = image.shape[:2]
    margin = window // 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(0, 1))
    return views.reshape(height * width, -1).astype(np.float32) / np.float32(255)


def pixel_seconds(parameters: KMeansParameters) -> float:
    """Return the seconds that a pixel takes; see `dynseg.methods.Method`."""
    window = parameters.window**2
    return 4.5e-7 + window * (1.8e-8 + 4.1e-9 * parameters.clusters)


method = Method(KMeansParameters, segment, pixel_seconds=pixel_seconds)
