"""Serve a form in the browser that answers sentences about videos.

`AppService` is independent of Gradio, whose form stvg.workflows.app_form adds. The page of an answer is that of a
report with one query (stvg.viewer.page), served from a folder of its own that nobody can guess.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stvg.api import GroundedVideo, VideoGrounder, check_sentence, load
from stvg.config import load_config
from stvg.errors import InputError
from stvg.fusion.ranking import Ranking
from stvg.fusion.score_fusion import Mode
from stvg.io.frame_sampling import VideoConfig
from stvg.io.video import read_meta
from stvg.pipeline import Follow, follow_nothing
from stvg.recipe.schema import DetectorConfig, Recipe
from stvg.types import VideoMeta
from stvg.viewer.app_guard import SUFFIXES, Address, AppGuard

logger = logging.getLogger(__name__)
ANSWERS_KEPT = 50
"""Number of answers whose pages stay on disk; the oldest is deleted first."""
_FOUND_BY = {
    "file": "as stored beside the video",
    "hog": "found by HOG, upright ones only",
    "nanodet": "found by NanoDet",
    "yolox": "found by YOLOX",
    "rtdetr": "found by RT-DETR",
    "deformable_detr": "found by Deformable DETR",
    "detr": "found by DETR",
}
"""What people are told of a detector, by its kind or its decoder."""
_SCORE = (
    "It says how well the candidate fits the sentence by the networks' own measure, at most 1, and ranks the people "
    "of this video for this sentence. It is not the chance that the answer is right, and says nothing beside the score "
    "of another video or sentence."
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Largest uploads, videos and sentences that the app takes."""

    megabytes: int = 200
    frames: int = 1000
    """Sampled frames, those that video.stride or video.rate says; all are in memory together."""
    side: int = 4096
    """Pixels of the longer side."""
    letters: int = 300


class AppService:
    """Answers sentences about videos with any of several detectors; unfit input is refused with one line.

    `grounders` by the detector's name; `videos` is the folder whose videos can be chosen; pages go under `work`; `mode`
    is how the form decides unless somebody chooses another way.
    """

    def __init__(
        self,
        grounders: Mapping[str, VideoGrounder],
        videos: Path,
        work: Path,
        limits: Limits,
        sampling: VideoConfig,
        mode: Mode,
    ):
        self.grounders, self.videos, self.limits, self.mode = grounders, videos, limits, mode
        self.work, self._sampling = work, sampling
        self._answers: list[Path] = []
        self._pages: dict[tuple[Path, int, int], Path] = {}  # by file, time and size, its latest page

    def choices(self) -> list[str]:
        """Return the names of the videos that can be chosen."""
        return sorted(path.name for path in self.videos.glob("*") if path.suffix.lower() in SUFFIXES)

    def look(self, chosen: str | None, uploaded: str | None) -> VideoMeta:
        """Return the video that would be asked about.

        Raises:
            InputError: there is none, or it would be refused.
        """
        video = self._video(chosen, uploaded)
        try:
            return self._check(video)
        except InputError as error:
            raise InputError(_without_folders(str(error), video)) from error

    def answer(
        self,
        chosen: str | None,
        uploaded: str | None,
        text: str,
        mode: str,
        detector: str,
        follow: Follow = follow_nothing,
    ) -> tuple[str, str, str]:
        """Return the name of the folder under `work` that holds the answer's page, a line on it, and one on its score.

        `follow` hears of the stages.

        Raises:
            InputError: the input is unfit, or cannot be answered.
        """
        video = self._video(chosen, uploaded)
        if detector not in self.grounders:
            raise InputError(f"detector: expected one of {', '.join(self.grounders)}, got {detector!r}")
        started = time.monotonic()
        try:
            self._check(video)
            check_sentence(text, self.limits.letters)
            found = self.grounders[detector].with_mode(mode)(video, text, follow)
        except InputError as error:
            raise InputError(_without_folders(str(error), video)) from error
        name = secrets.token_hex(16)
        self._save_page(found, self.work / name)
        start, end = found.seconds
        line = f"{start:.1f} to {end:.1f} s, tube {found.tube.tube_id} of {len(found.candidates)}"
        logger.info("%s: %s, in %.2f s", video.name, line, time.monotonic() - started)
        return name, f"{line}, answered in {time.monotonic() - started:.1f} s", score_line(found.ranking)

    def _save_page(self, found: GroundedVideo, folder: Path) -> None:
        """Write the page of an answer; a video that an earlier page encoded is linked to, not encoded again."""
        file = found.video.path.stat()
        version = found.video.path, file.st_mtime_ns, file.st_size
        earlier = self._pages.pop(version, None)
        if earlier is not None:
            shutil.copytree(earlier / "videos", folder / "videos", copy_function=os.link)
        self._answers.append(folder)  # also goes in its turn if writing it fails
        found.save_page(folder)
        self._pages[version] = folder
        while len(self._answers) > ANSWERS_KEPT:
            oldest = self._answers.pop(0)
            self._pages = {version: page for version, page in self._pages.items() if page != oldest}
            shutil.rmtree(oldest, ignore_errors=True)

    def _video(self, chosen: str | None, uploaded: str | None) -> Path:
        """Return the uploaded video, else the chosen one."""
        if uploaded:
            if not Path(uploaded).is_file():  # uploads do not stay for ever
                raise InputError(f"{Path(uploaded).name}: expected an uploaded file, found it deleted; upload it again")
            return Path(uploaded)
        if not chosen:
            raise InputError("video: expected one chosen or uploaded, got none")
        if chosen not in self.choices():
            raise InputError(f"video: expected one of the list, got {chosen!r}")
        return self.videos / chosen

    def _check(self, path: Path) -> VideoMeta:
        limits = self.limits
        if path.stat().st_size > limits.megabytes * 1_000_000:
            raise InputError(
                f"{path.name}: expected at most {limits.megabytes} MB, got {path.stat().st_size / 1e6:.0f}"
            )
        meta = read_meta(path, path.name)
        stride = self._sampling.stride_at(meta.fps)
        num_sampled = -(-meta.num_frames // stride)
        if num_sampled > limits.frames:
            longest_s = limits.frames * stride / meta.fps
            raise InputError(
                f"{path.name}: expected at most {limits.frames} frames to look at, {longest_s:.0f} s of this video "
                f"with {self._sampling}, got {num_sampled}"
            )
        if max(meta.width, meta.height) > limits.side:
            raise InputError(
                f"{path.name}: expected sides of at most {limits.side} pixels, got {meta.width} x {meta.height}"
            )
        return meta


def score_line(ranking: Ranking) -> str:
    """Return what the score of an answer is and what it means, in sentences."""
    scores = [one.score for one in ranking.tubes]
    own = None if ranking.chosen is None else scores[ranking.chosen]
    if own is None:
        return "Nobody was compared, so there is no score."
    others = [score for k, score in enumerate(scores) if k != ranking.chosen and score is not None]
    beside = f"the next candidate has {max(others):.2g}" if others else "there is no other candidate at that time"
    return f"Score {own:.2g}; {beside}. {_SCORE}"


def found_by(detector: DetectorConfig) -> str:
    """Return what finds the people, as people are told it."""
    decoder = getattr(detector, "decoder", detector.kind)
    model = getattr(detector, "name", None) or getattr(detector, "config", detector.kind)
    return f"people {_FOUND_BY.get(decoder, f'found by {model}')}"


def _without_folders(message: str, video: Path) -> str:
    """Return a message without the folders of this machine; a video's files lie in its folder or beside that."""
    return message.replace(f"{video.parent}/", "").replace(f"{video.parent.parent}/", "")


def make_service(
    config: Path, overrides: Sequence[str], detectors: Sequence[str], work: Path, limits: Limits | None = None
) -> AppService:
    """Return the service of a recipe. `detectors` are further ones to choose from, each as YAML: `{kind: hog}`.

    Raises:
        InputError: the recipe or a detector cannot be read, a checkpoint or a model is missing.
    """
    recipe = load_config(Recipe, config, overrides)
    others = [load_config(Recipe, config, [*overrides, f"detector={text}"]).detector for text in detectors]
    first = load(recipe)
    grounders: dict[str, VideoGrounder] = {}
    labels = [found_by(detector) for detector in (recipe.detector, *others)]
    for place, grounder in enumerate((first, *map(first.with_detector, others))):
        grounder.load_models()  # what is missing is said now, not to who asks first
        earlier = labels[:place].count(labels[place])
        grounders[f"{labels[place]} ({earlier + 1})" if earlier else labels[place]] = grounder
    return AppService(grounders, recipe.data.videos, work, limits or Limits(), recipe.video, recipe.fusion.mode)


def serve(app: Any, uploads: Path, host: str, port: int) -> None:
    """Serve the app, guarded, until it is interrupted or told to end; a port of 0 takes any that is free.

    The address goes to stdout. Both ways of ending leave by an exception, so that the caller can tidy up.

    Raises:
        InputError: the address cannot be listened on.
    """
    import uvicorn

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: expected a free address of this machine, got: {error.strerror or error}"
        ) from error
    with listening:
        address = Address(host, listening.getsockname()[1])
        sys.stdout.write(f"open {address.url} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, _leave)  # uvicorn ends its work first and then hands the signal on
        # Open pages keep a connection for news, which would hold up the end.
        guarded = AppGuard(app, uploads, address)
        config = uvicorn.Config(guarded, log_level="warning", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run(sockets=[listening])


def _leave(*_: object) -> None:
    raise SystemExit(0)
