"""What the camera sees: pans, zooms and shot cuts."""

import numpy as np
import numpy.typing as npt

from stvg.datasets.synthetic.planning.scene import Scene, View

FLOOR_EDGE = 0.995
"""The share of the image's height at zoom 1 at which the lower edge of a zoomed view stays."""


def windows(scene: Scene) -> npt.NDArray[np.float64]:
    """Return, for every frame, the part of the zoom-1 image that is seen: (T, 3) left, top in pixels, and the zoom."""
    views = scene.views or (View(start=0, centre_x=0.5, zoom=1.0, cut=False),)
    at = np.zeros((scene.num_frames, 2))
    for index, view in enumerate(views):
        follower = views[index + 1] if index + 1 < len(views) else None
        stop = scene.num_frames if follower is None else min(follower.start, scene.num_frames)
        goal = view if follower is None or follower.cut else follower
        share = np.linspace(0, 1, max(stop - view.start, 1), endpoint=False)[:, None]
        path = np.array([view.centre_x, view.zoom]) * (1 - share) + np.array([goal.centre_x, goal.zoom]) * share
        at[view.start : stop] = path[: max(stop - view.start, 0)]
    zoom = np.maximum(at[:, 1], 1.0)
    half = 0.5 / zoom
    left = (np.clip(at[:, 0], half, 1 - half) - half) * scene.width
    top = np.maximum(scene.height * (FLOOR_EDGE - 1 / zoom), 0) * (zoom > 1)
    return np.stack([left, top, zoom], axis=1)
