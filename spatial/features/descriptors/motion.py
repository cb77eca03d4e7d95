"""Describe a person's motion by optical flow and box velocity, camera motion removed."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spatial.features.descriptors.crops import TubeSamples
from stvg.types import BoolArray, FloatArray, IntArray, VideoFrames

GrayImage = npt.NDArray[np.uint8]

GRID = (4, 3)
"""Rows and columns of the cells in which flow is pooled."""
CHANNELS = 5
"""Values per cell: dx, dy, relative speed, divergence, change of brightness."""
FLOW_DIM = GRID[0] * GRID[1] * CHANNELS
"""Columns of pooled flow."""
VELOCITY_DIM = 6
"""Columns of velocity: mean flow, and the motion of the box."""
MOTION_DIM = FLOW_DIM + VELOCITY_DIM
"""Columns of motion_features."""
_POINTS = 4
"""Flow is sampled at _POINTS x _POINTS points per cell."""
_BACKGROUND_STEP = 4
"""Stride, in flow pixels, of the grid to which the camera's motion is fitted."""
_MOTION_SCALE = 3.0
"""Factor of motion columns beside embeddings: their mean square is about a ninth on people who act, that of embeddings
1."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowFields:
    """Optical flow of a video: `flow` (N, h, w, 2) float32, flow pixels per second; row i leads from image i on.

    `ratio` (2,) is the size of the flow field relative to the image, (x, y). `camera` (N, 3, 2) float32 is what
    the camera does: flow of the background = [1, x, y] @ camera at flow pixel (x, y). `change` (N, h, w)
    float32 is how much brightness changes from image i on beside the camera's motion, in units of 64 levels.
    """

    flow: FloatArray
    ratio: FloatArray
    camera: FloatArray
    change: FloatArray

    def camera_at(self, index: IntArray, points: FloatArray) -> FloatArray:
        """Return the background's velocity at image `points` (R, 2), in image pixels per second, (R, 2)."""
        xy = np.concatenate([np.ones((len(points), 1), np.float32), points * self.ratio], axis=1)
        return np.asarray(np.einsum("rk,rkd->rd", xy, self.camera[index]) / self.ratio, dtype=np.float32)


def flow_fields(video: VideoFrames, tubes: list[TubeSamples], flow_width: int) -> FlowFields:
    """Return the flow between successive images, at `flow_width` pixels across, and the camera's share of it.

    Dense inverse search (Kroeger et al., ECCV 2016). The last image before a cut repeats the flow before it.
    """
    count, height, width = video.pictures.shape[:3]
    size = (flow_width, max(16, round(flow_width * height / width)))
    grays = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for image in video.pictures
    ]
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    solver.setFinestScale(1)  # the preset's 2 loses a fifth of a person's motion at this size
    steps = np.zeros((count, size[1], size[0], 2), dtype=np.float32)
    together = np.diff(video.shot_of()) == 0
    for i in np.flatnonzero(together):
        steps[i] = solver.calc(grays[i], grays[i + 1], None)
    ratio = np.array([size[0] / width, size[1] / height], dtype=np.float32)
    camera = _camera_motion(steps, np.stack(grays), _background(tubes, ratio, steps.shape[:3]))
    change = np.zeros(steps.shape[:3], dtype=np.float32)
    for i in np.flatnonzero(together):
        change[i] = _change(grays[i], grays[i + 1], camera[i])
    seconds = np.diff(video.frames, append=video.frames[-1] + 1)[:, None, None, None] / video.meta.fps
    source = _last_pair(together)
    flow = np.asarray((steps / seconds)[source], dtype=np.float32)
    return FlowFields(flow, ratio, np.asarray((camera / seconds[..., 0])[source], dtype=np.float32), change[source])


def motion_features(
    video: VideoFrames, fields: FlowFields, samples: TubeSamples, body_height: FloatArray, smoothing_s: float
) -> FloatArray:
    """Return a tube's motion, (R, 66) float32 in [-1, 1]: FLOW_DIM columns of pooled flow, VELOCITY_DIM of the box.

    All speeds are in body heights per second, squashed by tanh. Flow by cell, row by row: dx, dy (down is positive),
    speed relative to the person's mean flow, divergence, and the change of brightness that the camera does not explain
    (small hands move without a trace in the flow). Velocity: mean flow dx, dy; the box's centre x, top, bottom
    and width, smoothed over `smoothing_s` seconds.
    """
    values = flow_in_boxes(fields, samples)
    flow = values[..., :2] / body_height[:, None, None, None]
    mean = flow.mean(axis=(1, 2))
    velocity = _box_velocity(video, fields, samples, smoothing_s) / body_height[:, None]
    pooled = _pool(flow, values[..., 2:], mean, samples, body_height)
    return np.asarray(np.tanh(np.concatenate([pooled, mean, velocity], axis=1)), dtype=np.float32)


def scale_embeddings(embeddings: FloatArray) -> FloatArray:
    """Return the rows (R, E) with norm sqrt(E), float32, that is a mean square of 1.

    >>> scale_embeddings(np.array([[3.0, 4.0, 0.0, 0.0]])).round(2)
    array([[1.2, 1.6, 0. , 0. ]], dtype=float32)
    """
    norm = np.linalg.norm(embeddings, axis=1, keepdims=True) + 1e-6
    return np.asarray(embeddings / norm * np.sqrt(embeddings.shape[1]), dtype=np.float32)


def append_motion(embeddings: FloatArray, motion: FloatArray, motion_dim: int) -> FloatArray:
    """Return embeddings (R, E) with motion (R, M) as further columns, (R, E + M) float32.

    The embeddings are those of scale_embeddings; the motion, `motion_dim` columns of which count as one group, is
    scaled to about their norm, so that both weigh alike.
    """
    scale = _MOTION_SCALE * np.sqrt(embeddings.shape[1] / motion_dim)
    return np.concatenate([embeddings, scale * motion], axis=1).astype(np.float32)


def _last_pair(together: BoolArray) -> IntArray:
    """Return, for each image, the pair that shows its motion: its own, or the one before at the end of a shot.

    >>> _last_pair(np.array([True, True, False, True])).tolist()
    [0, 1, 1, 3, 3]
    """
    ends = np.append(~together, True)
    starts = np.append(True, ~together)
    return np.asarray(np.arange(len(ends)) - (ends & ~starts), dtype=np.int64)


def _change(gray: GrayImage, following: GrayImage, camera: FloatArray) -> FloatArray:
    """Return |following - gray| / 64 after undoing the camera's motion."""
    forward = np.array([[1 + camera[1, 0], camera[2, 0], camera[0, 0]], [camera[1, 1], 1 + camera[2, 1], camera[0, 1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = gray.shape[1], gray.shape[0]
    aligned = cv2.warpAffine(following, forward, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.absdiff(gray, aligned) / np.float32(64.0), dtype=np.float32)


def _background(tubes: list[TubeSamples], ratio: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return 1 where the coarse grid of a flow field lies outside of all boxes, else 0: (N, rows, columns)."""
    count, height, width = shape
    free = np.ones((count, height, width), dtype=np.float32)
    for tube in tubes:
        for i, (x1, y1, x2, y2) in zip(tube.index, tube.boxes_xyxy * np.tile(ratio, 2), strict=True):
            free[i, max(int(y1) - 1, 0) : int(y2) + 2, max(int(x1) - 1, 0) : int(x2) + 2] = 0.0
    return free[:, ::_BACKGROUND_STEP, ::_BACKGROUND_STEP]


def _camera_motion(flow: FloatArray, grays: GrayImage, free: FloatArray) -> FloatArray:
    """Return the affine motion (N, 3, 2) of the background in pixels per step, robust to whatever else moves.

    Weighted medians over the free points start it (weight: texture, because flat walls show no motion); two rounds of
    least squares on the points that agree refine it, with a ridge that keeps a plain translation where points are few.
    """
    step = _BACKGROUND_STEP
    texture = np.abs(np.diff(grays.astype(np.float32), axis=2, append=0)) + np.abs(
        np.diff(grays.astype(np.float32), axis=1, append=0)
    )
    weight = (free * np.clip(texture[:, ::step, ::step] - 2.0, 0.01, 20.0)).reshape(len(flow), -1)
    values = flow[:, ::step, ::step].reshape(len(flow), -1, 2)
    y, x = np.mgrid[0 : flow.shape[1] : step, 0 : flow.shape[2] : step].reshape(2, -1).astype(np.float32)
    middle = np.array([flow.shape[2] / 2, flow.shape[1] / 2], dtype=np.float32)
    design = np.stack([np.ones_like(x), (x - middle[0]) / middle[0], (y - middle[1]) / middle[0]], axis=1)
    solution = np.zeros((len(flow), 3, 2), dtype=np.float32)
    solution[:, 0] = _weighted_median(values, weight)
    for _ in range(2):
        residual = np.linalg.norm(values - design @ solution, axis=2)
        inlier = weight / (1.0 + (residual / 0.5) ** 2) ** 2
        normal = np.einsum("np,pi,pj->nij", inlier, design, design, optimize=True)
        ridge = np.diag([1e-3, 1.0, 1.0]).astype(np.float32) * (0.02 * inlier.sum(axis=1) + 1e-3)[:, None, None]
        moment = design.T @ (inlier[..., None] * values)
        solution = np.linalg.solve(normal + ridge, moment)
    return _uncentred(solution, middle)


def _uncentred(solution: FloatArray, middle: FloatArray) -> FloatArray:
    """Return affine parameters of [1, x, y] for those of [1, (x - mx) / mx, (y - my) / mx]."""
    slopes = solution[:, 1:] / middle[0]
    constant = solution[:, 0] - slopes[:, 0] * middle[0] - slopes[:, 1] * middle[1]
    return np.concatenate([constant[:, None], slopes], axis=1).astype(np.float32)


def _weighted_median(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weighted median over the points of `values` (N, P, 2) with `weight` (N, P): (N, 2)."""
    order = values.argsort(axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    total = np.take_along_axis(np.repeat(weight[..., None], 2, axis=2), order, axis=1).cumsum(axis=1)
    place = (total < total[:, -1:] / 2).sum(axis=1, keepdims=True).clip(max=values.shape[1] - 1)
    return np.asarray(np.take_along_axis(ordered, place, axis=1)[:, 0], dtype=np.float32)


def flow_in_boxes(fields: FlowFields, samples: TubeSamples) -> FloatArray:
    """Return the flow minus the camera's, image pixels per second, and the change, at a grid of points in each box.

    Shape (R, 16, 12, 3): dx, dy, change.
    """
    rows, columns = GRID[0] * _POINTS, GRID[1] * _POINTS
    boxes = samples.boxes_xyxy * np.tile(fields.ratio, 2)
    x = boxes[:, :1] + (np.arange(columns) + 0.5) / columns * (boxes[:, 2:3] - boxes[:, :1]) - 0.5
    y = boxes[:, 1:2] + (np.arange(rows) + 0.5) / rows * (boxes[:, 3:] - boxes[:, 1:2]) - 0.5
    x = np.broadcast_to(x[:, None, :], (len(x), rows, columns)).astype(np.float32)
    y = np.broadcast_to(y[:, :, None], x.shape).astype(np.float32)
    values = np.empty((*x.shape, 3), dtype=np.float32)
    for row, i in enumerate(samples.index):
        for source, target in ((fields.flow[i], values[row, ..., :2]), (fields.change[i], values[row, ..., 2])):
            target[...] = cv2.remap(source, x[row], y[row], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    camera = fields.camera[samples.index][:, None, None]
    values[..., :2] -= camera[..., 0, :] + x[..., None] * camera[..., 1, :] + y[..., None] * camera[..., 2, :]
    values[..., :2] /= fields.ratio
    return values


def _pool(
    flow: FloatArray, change: FloatArray, mean: FloatArray, samples: TubeSamples, body_height: FloatArray
) -> FloatArray:
    """Return dx, dy, relative speed, divergence and change of each cell: (R, FLOW_DIM)."""
    speed = np.linalg.norm(flow - mean[:, None, None], axis=3)
    sides = (samples.boxes_xyxy[:, 2:] - samples.boxes_xyxy[:, :2]) / body_height[:, None]
    step_x = sides[:, 0, None, None] / flow.shape[2]
    step_y = sides[:, 1, None, None] / flow.shape[1]
    divergence = np.gradient(flow[..., 0], axis=2) / step_x + np.gradient(flow[..., 1], axis=1) / step_y
    values = np.concatenate([flow, speed[..., None], 0.1 * divergence[..., None], change], axis=3)
    cells = values.reshape(len(flow), GRID[0], _POINTS, GRID[1], _POINTS, CHANNELS).mean(axis=(2, 4))
    return np.asarray(cells.reshape(len(flow), -1))


def _box_velocity(video: VideoFrames, fields: FlowFields, samples: TubeSamples, smoothing_s: float) -> FloatArray:
    """Return the velocity of centre x, top, bottom and width without the camera's, image pixels per second: (R, 4)."""
    x1, y1, x2, y2 = samples.boxes_xyxy.T
    edges = np.stack([(x1 + x2) / 2, y1, y2, x2 - x1], axis=1)
    velocity = np.zeros_like(edges)
    shots = video.shot_of()[samples.index]
    seconds = np.asarray(video.frames[samples.index] / video.meta.fps, dtype=np.float64)
    for shot in np.unique(shots):
        rows = np.flatnonzero(shots == shot)
        velocity[rows] = _slopes(seconds[rows], edges[rows], smoothing_s)
    middle = (y1 + y2) / 2
    left, right, top, bottom = (
        fields.camera_at(samples.index, np.stack(point, axis=1))
        for point in ((x1, middle), (x2, middle), (edges[:, 0], y1), (edges[:, 0], y2))
    )
    sideways = (left[:, 0] + right[:, 0]) / 2, right[:, 0] - left[:, 0]
    velocity -= np.stack([sideways[0], top[:, 1], bottom[:, 1], sideways[1]], axis=1)
    return velocity


def _slopes(seconds: npt.NDArray[np.float64], values: FloatArray, smoothing_s: float) -> FloatArray:
    """Return the slope of a local linear fit (Gaussian weights, deviation `smoothing_s`) at each time: (R, C)."""
    weight = np.exp(-0.5 * ((seconds[:, None] - seconds) / smoothing_s) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    time, time_squared = weight @ seconds, weight @ seconds**2
    covariance = weight @ (seconds[:, None] * values) - time[:, None] * (weight @ values)
    return np.asarray(covariance / (time_squared - time**2 + 1e-4)[:, None], dtype=np.float32)
