"""The run of one machine as dask tasks on many, with the identical result."""

try:
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        'segmenting on a cluster needs dask: pip install "napari-clipseg[cluster]", here and '
        "on every worker"
    ) from error
