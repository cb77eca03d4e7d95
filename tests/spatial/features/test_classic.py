from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from spatial.features.classic import COLOUR_DIM, ClassicConfig, ClassicFeatures
from spatial.features.descriptors.bilinear import bind, signed_sqrt
from spatial.features.descriptors.colour import BIN_NAMES, NUM_BINS, NUM_ZONES, colour_memberships, zone_colours
from spatial.features.descriptors.crops import cut_crops, sample_tube
from spatial.features.descriptors.motion import CHANNELS, FLOW_DIM, MOTION_DIM, flow_fields, motion_features
from spatial.features.descriptors.shape import body_height
from stvg.config import parse_config
from stvg.errors import InputError
from stvg.types import Tube, VideoFrames, VideoMeta

WIDTH, HEIGHT = 320, 180


def footage(images, stride=2, cuts=(), fps=10.0):
    count = len(images)
    meta = VideoMeta("a.mp4", Path("a.mp4"), stride * count, fps, WIDTH, HEIGHT)
    return VideoFrames(meta, np.arange(count) * stride, np.stack(images), 1.0, cuts)


def tube(boxes, start=0, stride=2):
    """A tube whose sampled boxes are `boxes`, interpolated between."""
    boxes = np.asarray(boxes, np.float32)
    frames = np.arange(stride * (len(boxes) - 1) + 1) / stride
    dense = np.stack([np.interp(frames, np.arange(len(boxes)), boxes[:, c]) for c in range(4)], axis=1)
    return Tube(0, start, dense, np.ones(len(dense)), np.ones(len(dense), bool))


def noise(width=WIDTH, seed=0):
    """A textured wall."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (HEIGHT // 6 + 1, width // 6 + 1, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 6, axis=0), 6, axis=1)[:HEIGHT, :width].copy()


def person(image, x, y=40, top=(200, 20, 20), bottom=(20, 20, 200), texture=True):
    """Draw a 30 x 100 person with its left upper corner at (x, y) and return the image."""
    image[y : y + 16, x + 8 : x + 22] = (220, 170, 140)
    image[y + 16 : y + 52, x + 2 : x + 28] = top
    image[y + 52 : y + 100, x + 4 : x + 26] = bottom
    if texture:
        image[y + 20 : y + 96 : 8, x + 6 : x + 24 : 6] = 0
    return image


def box(x, y=40):
    return [x, y, x + 30, y + 100]


def motion_of(images, boxes, **kwargs):
    clip = footage(images, **kwargs)
    samples = sample_tube(clip, tube(boxes))
    fields = flow_fields(clip, [samples], 160)
    return motion_features(clip, fields, samples, body_height(samples), 0.3)


class TestExtract:
    images = tuple(person(noise(), 60 + 3 * i) for i in range(8))

    @pytest.mark.parametrize("bilinear", [True, False])
    def test_shapes_are_the_stated_ones(self, bilinear):
        extractor = ClassicFeatures(ClassicConfig(bilinear=bilinear))
        clip, (rows,) = extractor.extract(footage(self.images), [tube([box(60 + 3 * i) for i in range(8)])])
        assert clip.shape == (8, extractor.clip_dim)
        assert rows.shape == (8, extractor.tube_dim)
        assert clip.dtype == rows.dtype == np.float32

    def test_documented_dimensions(self):
        assert ClassicFeatures(ClassicConfig()).tube_dim == 340
        assert ClassicFeatures(ClassicConfig()).clip_dim == 1462
        assert ClassicFeatures(ClassicConfig(bilinear=False)).clip_dim == 37

    def test_is_deterministic(self):
        clip, tubes = footage(self.images), [tube([box(60 + 3 * i) for i in range(8)])]
        first, second = (
            ClassicFeatures(ClassicConfig()).extract(clip, tubes),
            ClassicFeatures(ClassicConfig()).extract(clip, tubes),
        )
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1][0], second[1][0])

    @pytest.mark.parametrize(
        "corners",
        [
            [-50, -50, -10, -10],  # outside, upper left
            [500, 300, 600, 400],  # outside, lower right
            [100, 50, 101, 51],  # one pixel
            [100, 50, 100, 50],  # no area
            [0, 0, WIDTH, HEIGHT],  # the whole image
            [-1e6, -1e6, 1e6, 1e6],  # far larger than the image
            [20, 90, 300, 92],  # flat
            [300, 100, 20, 50],  # corners exchanged
            [np.nan, 0, np.inf, 50],  # not finite
        ],
    )
    def test_degenerate_boxes_give_finite_rows(self, corners):
        one = Tube(0, 0, np.tile(np.float32(corners), (15, 1)), np.ones(15), np.ones(15, bool))
        clip, (rows,) = ClassicFeatures(ClassicConfig()).extract(footage(self.images), [one])
        assert np.isfinite(clip).all()
        assert np.isfinite(rows).all()
        assert np.abs(rows).max() < 100

    @pytest.mark.parametrize(
        ("images", "cuts"),
        [
            ([np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 3, ()),  # black
            ([np.full((HEIGHT, WIDTH, 3), 255, np.uint8)], ()),  # a single white image
            ([noise(seed=i) for i in range(4)], (2, 4, 6)),  # every image is a shot
        ],
    )
    def test_odd_footage_gives_finite_rows(self, images, cuts):
        clip, (rows,) = ClassicFeatures(ClassicConfig()).extract(footage(images, cuts=cuts), [tube([box(60)])])
        assert np.isfinite(clip).all()
        assert np.isfinite(rows).all()

    def test_no_tubes(self):
        clip, rows = ClassicFeatures(ClassicConfig()).extract(footage(self.images), [])
        assert rows == ()
        assert not clip[:, 37:].any()
        assert clip[:, :37].any()

    def test_no_images_fail(self):
        empty = footage([noise()])
        empty = VideoFrames(empty.meta, np.zeros(0, np.int64), empty.images[:0], 1.0, ())
        with pytest.raises(ValueError, match="at least one frame"):
            ClassicFeatures(ClassicConfig()).extract(empty, [tube([box(60)])])

    def test_a_tube_has_a_row_per_image_it_covers(self):
        part = Tube(0, 5, np.tile(np.float32(box(60)), (4, 1)), np.ones(4), np.ones(4, bool))  # frames 5 to 8
        between = Tube(1, 5, np.float32([box(60)]), np.ones(1), np.ones(1, bool))  # only frame 5, between images
        _, (rows, single) = ClassicFeatures(ClassicConfig()).extract(footage(self.images), [part, between])
        assert len(rows) == 2  # images of frames 6 and 8
        assert len(single) == 1

    def test_boxes_are_scaled_onto_smaller_images(self):
        clip = footage(self.images)
        meta = VideoMeta("a.mp4", Path("a.mp4"), 16, 10.0, 2 * WIDTH, 2 * HEIGHT)
        half = VideoFrames(meta, clip.frames, clip.images, 0.5, ())
        boxes = np.float32([box(60 + 3 * i) for i in range(8)])
        _, (small,) = ClassicFeatures(ClassicConfig()).extract(clip, [tube(boxes)])
        _, (large,) = ClassicFeatures(ClassicConfig()).extract(half, [tube(2 * boxes)])
        np.testing.assert_allclose(small, large, atol=1e-4)


class TestConfig:
    def test_kind_and_defaults_agree_with_the_extractor(self):
        config = parse_config(ClassicConfig, {"kind": "classic"}, "test")
        assert (config.flow_width, config.smoothing_s, config.bilinear) == (160, 0.3, True)

    @pytest.mark.parametrize("values", [{"colour": 1}, {"flow_width": 3}, {"smoothing_s": 0.0}, {"kind": "onnx"}])
    def test_bad_values_fail(self, values):
        with pytest.raises((InputError, ValidationError)):
            parse_config(ClassicConfig, values, "test")


class TestColour:
    @pytest.mark.parametrize(
        ("rgb", "name"),
        [
            ((200, 25, 25), "light red"),
            ((90, 10, 10), "dark red"),
            ((255, 150, 20), "light orange"),
            ((90, 55, 20), "dark orange"),
            ((240, 225, 40), "light yellow"),
            ((30, 100, 40), "dark green"),
            ((40, 60, 190), "dark blue"),
            ((100, 40, 140), "dark purple"),
            ((245, 150, 175), "light pink"),
            ((8, 8, 8), "black"),
            ((128, 128, 128), "gray"),
            ((252, 252, 252), "white"),
        ],
    )
    def test_focal_colours(self, rgb, name):
        assert BIN_NAMES[colour_memberships(np.array([rgb], np.uint8)).argmax()] == name

    def test_memberships_are_a_partition(self):
        colours = np.random.default_rng(0).integers(0, 256, (5000, 3), dtype=np.uint8)
        memberships = colour_memberships(colours)
        np.testing.assert_allclose(memberships.sum(axis=1), 1.0, atol=1e-5)
        assert memberships.min() >= 0.0

    @pytest.mark.parametrize(("zone", "name"), [(1, "light red"), (2, "dark blue"), (3, "dark blue")])
    def test_the_right_zone_answers(self, zone, name):
        image = person(noise(), 100, bottom=(20, 20, 160), texture=False)
        clip = footage([image])
        crops = cut_crops(clip.images, sample_tube(clip, tube([box(100)])), (0.25, 0.0), (36, 36))
        colours = zone_colours(crops, 0.25)
        assert colours.shape == (1, NUM_ZONES, NUM_BINS)
        assert BIN_NAMES[colours[0, zone].argmax()] == name
        assert colours[0, zone].max() > 0.6

    def test_changing_one_garment_leaves_the_other_zone(self):
        rows = []
        for bottom in ((20, 160, 20), (230, 230, 230)):
            clip = footage([person(noise(), 100, bottom=bottom)])
            rows.append(
                ClassicFeatures(ClassicConfig()).extract(clip, [tube([box(100)])])[1][0][0, :COLOUR_DIM].reshape(4, -1)
            )
        change = np.abs(rows[0] - rows[1]).sum(axis=1)
        assert change[3] > 1.0
        assert change[1] < 0.2 * change[3]

    def test_the_surroundings_colour_counts_less(self):
        crops = np.full((1, 36, 36, 3), (40, 160, 60), np.uint8)  # green all round
        crops[:, :, 15:21] = (200, 25, 25)  # a thin red person
        torso = zone_colours(crops, 0.25)[0, 1]
        without_ring = zone_colours(crops, 0.0)[0, 1]
        red = BIN_NAMES.index("light red")
        assert torso[red] > without_ring[red] + 0.05


class TestMotion:
    def test_standing_still_is_zero(self):
        motion = motion_of([person(noise(), 100)] * 6, [box(100)] * 6)
        assert motion.shape == (6, MOTION_DIM)
        np.testing.assert_allclose(motion, 0.0, atol=1e-4)

    @pytest.mark.parametrize("speed", [4, -4])
    def test_walking_sideways_has_the_sign_of_dx(self, speed):
        places = [150 + speed * i for i in range(10)]
        motion = motion_of([person(noise(), x) for x in places], [box(x) for x in places])
        expected = np.tanh(speed / 100 / 0.2)  # pixels per body height and 0.2 s
        velocity = motion[2:-2, FLOW_DIM:]
        np.testing.assert_allclose(velocity[:, 2], expected, atol=0.02)  # centre x of the box
        assert (np.sign(velocity[:, 0]) == np.sign(speed)).all()  # mean flow
        np.testing.assert_allclose(velocity[:, 3:], 0.0, atol=0.02)

    def test_moving_down_has_positive_dy(self):
        places = [20 + 3 * i for i in range(10)]
        motion = motion_of([person(noise(), 100, y) for y in places], [box(100, y) for y in places])
        velocity = motion[2:-2, FLOW_DIM:]
        assert (velocity[:, [1, 3, 4]] > 0.03).all()

    @pytest.mark.parametrize("pan", [3, -4])
    def test_a_pan_moves_nobody_who_stands(self, pan):
        wall = person(noise(width=500), 240)
        offsets = [80 + pan * i for i in range(10)]
        images = [wall[:, x : x + WIDTH] for x in offsets]
        panned = motion_of(images, [box(240 - x) for x in offsets])[1:-1]
        walker = [150 + pan * i for i in range(10)]
        walked = motion_of([person(noise(), x) for x in walker], [box(x) for x in walker])[1:-1]
        assert np.abs(panned[:, FLOW_DIM:]).max() < 0.05
        assert np.abs(panned).mean() < 0.2 * np.abs(walked).mean()

    def test_a_zoom_moves_nobody_who_stands(self):
        wall = person(noise(), 90)
        zooms = [1 + 0.01 * i for i in range(10)]
        maps = [np.array([[z, 0, (1 - z) * WIDTH / 2], [0, z, (1 - z) * HEIGHT / 2]]) for z in zooms]
        images = [cv2.warpAffine(wall, one, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE) for one in maps]
        corners = np.array([[90, 40, 1], [120, 140, 1]]).T
        boxes = [(one @ corners).T.ravel() for one in maps]
        assert np.abs(motion_of(images, boxes)[1:-1, FLOW_DIM:]).max() < 0.02

    def test_a_cut_is_no_motion(self):
        images = [person(noise(), 60)] * 5 + [person(noise(seed=1), 200)] * 5
        motion = motion_of(images, [box(60)] * 5 + [box(200)] * 5, cuts=(10,))
        np.testing.assert_allclose(motion, 0.0, atol=1e-3)

    def test_only_the_moving_cell_answers(self):
        images = []
        for i in range(6):
            image = person(noise(), 100)
            image[60:76, 118 + i : 128 + i] = (240, 240, 240)  # something slides right beside the torso
            images.append(image)
        cells = motion_of(images, [box(100)] * 6)[1:-1, :FLOW_DIM].mean(axis=0).reshape(4, 3, CHANNELS)
        change = cells[..., 4]
        assert change[0:2, 2].max() > 10 * change[3].max()

    def test_speed_does_not_depend_on_the_frame_rate(self):
        places = [150 + 4 * i for i in range(10)]
        images, boxes = [person(noise(), x) for x in places], [box(x) for x in places]
        slow = motion_of(images, boxes, fps=10.0)[4, FLOW_DIM + 2]
        fast = motion_of(images, boxes, fps=20.0)[4, FLOW_DIM + 2]
        np.testing.assert_allclose(np.arctanh(fast), 2 * np.arctanh(slow), rtol=0.1)


class TestBinding:
    appearances = tuple(np.random.default_rng(n).normal(size=(n, 5)).astype(np.float32) for n in (3, 4, 1))
    actions = tuple(np.random.default_rng(9 + n).normal(size=(n, 2)).astype(np.float32) for n in (3, 4, 1))
    index = (np.array([0, 1, 2]), np.array([1, 2, 3, 5]), np.array([1]))

    def test_equals_the_naive_sum_of_outer_products(self):
        naive = np.zeros((7, 5, 2), np.float32)
        for appearance, action, rows in zip(self.appearances, self.actions, self.index, strict=True):
            for one, other, image in zip(appearance, action, rows, strict=True):
                naive[image] += np.outer(one, other)
        bound = bind(list(self.appearances), list(self.actions), list(self.index), 7)
        np.testing.assert_allclose(bound, naive.reshape(7, 10), rtol=1e-5)
        assert not bound[[4, 6]].any()

    def test_is_additive_over_people(self):
        together = bind(list(self.appearances), list(self.actions), list(self.index), 7)
        alone = [bind([a], [b], [i], 7) for a, b, i in zip(self.appearances, self.actions, self.index, strict=True)]
        np.testing.assert_allclose(together, sum(alone), atol=1e-6)

    def test_who_does_what_can_be_told_apart(self):
        red, blue = np.float32([[1, 0]]), np.float32([[0, 1]])
        sits, waves = np.float32([[1, 0]]), np.float32([[0, 1]])
        rows = [np.array([0])] * 2
        one = bind([red, blue], [sits, waves], rows, 1)
        other = bind([red, blue], [waves, sits], rows, 1)
        assert np.abs(one - other).sum() == 4.0

    def test_signed_sqrt_keeps_signs_and_zero(self):
        np.testing.assert_allclose(signed_sqrt(np.float32([-9, 0, 0.25])), [-3, 0, 0.5])

    def test_no_people_fail(self):
        with pytest.raises(ValueError, match="at least one person"):
            bind([], [], [], 3)
