"""Python API: load a trained grounder and query videos with sentences.

>>> from stvg import load
>>> grounder = load("configs/demo.yaml")  # doctest: +SKIP
>>> prediction = grounder("video.mp4", "The man in black sits down.")  # doctest: +SKIP
>>> prediction.seconds  # doctest: +SKIP
(3.1, 5.2)
>>> prediction.save("out.mp4")  # doctest: +SKIP
"""

import logging
import tempfile
import time
import unicodedata
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stvg.config import load_config
from stvg.errors import InputError, NobodyFoundError
from stvg.fusion.ranking import Ranking
from stvg.fusion.score_fusion import MODES
from stvg.io.files import key_problem, refuse_overwriting
from stvg.io.submission import size_of, write_submission
from stvg.pipeline import MATCH, NOBODY, Follow, Grounder, Preparer, WholeLocalizer, follow_nothing
from stvg.prepare.memory_cache import RECENT_BYTES, VideoCache
from stvg.recipe.build import build_fusion, build_grounder, build_preparer, load_localizer
from stvg.recipe.schema import DetectorConfig, Recipe
from stvg.recipe.workspace import video_fingerprint
from stvg.types import Prediction, PreparedVideo, Query, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.overlay import write_overlay
from stvg.viewer.page.write import write_report
from stvg.weights import FILM_RECIPE

logger = logging.getLogger(__name__)
PERSON = "person"
LONGEST_SENTENCE = 2000
"""Letters of the longest sentence that is answered."""
_NOT_IN_A_LINE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that no line of text holds: control characters, halves of a pair, ends of lines, of paragraphs."""


def load(config: str | Path | Recipe = FILM_RECIPE, overrides: Sequence[str] = ()) -> "VideoGrounder":
    """Return the trained pipeline of a recipe, given as its YAML file or as read from one.

    Without one it is that for filmed people, whose networks come with the package. `overrides` are as on the command
    line, `"detector.kind=hog"`; they change what is read from a file.

    Raises:
        InputError: the recipe cannot be read, or a checkpoint is missing or belongs to another recipe.
    """
    if isinstance(config, Recipe) and overrides:
        raise ValueError(f"overrides: expected none beside a recipe that is read already, got {overrides}")
    recipe = config if isinstance(config, Recipe) else load_config(Recipe, Path(config), overrides)
    return VideoGrounder(recipe, build_grounder(recipe), VideoPreparer(recipe))


def ground_video(recipe: Recipe, video: Path, text: str, out: Path) -> "GroundedVideo | None":
    """Ground one sentence in one video; write `out`/results.json and `out`/<video>_overlay.mp4.

    Return None, and write nothing, where the detector found nobody.

    Raises:
        InputError: the video cannot be read or its name be used as a key, the sentence is none (check_sentence), a
            checkpoint is missing, or an output is the video.
    """
    overlay, results = out / f"{video.stem}_overlay.mp4", out / "results.json"
    for target in (overlay, results):
        refuse_overwriting(target, [video])
    check_sentence(text)
    if not video.exists():  # before the stages are loaded, which may be missing too
        raise InputError(f"{video}: expected a video file, found no such file")
    try:
        found = load(recipe)(video, text)
    except NobodyFoundError:
        return None
    found.save(overlay)
    prediction = Prediction(video.name, video.name, found.tube, found.score)
    write_submission(results, [prediction], {video.name: size_of(found.video)})
    return found


@dataclass(frozen=True, slots=True)
class GroundedVideo:
    """The answer to one sentence: the tube, cropped to its span, and the ranking of the candidates."""

    video: VideoMeta
    text: str
    tube: Tube
    score: float
    ranking: Ranking

    @property
    def seconds(self) -> tuple[float, float]:
        """When: start and end in seconds."""
        return self.tube.span.start / self.video.fps, self.tube.span.stop / self.video.fps

    @property
    def candidates(self) -> tuple[Tube, ...]:
        """The tubes of all people found, over their whole length."""
        return tuple(one.tube for one in self.ranking.tubes)

    def detections(self, frame: int, *, candidates: bool = False) -> Any:
        """Return the answer's box in a frame (0-based), or all candidates' boxes, as supervision's sv.Detections."""
        return to_supervision(self.candidates if candidates else (self.tube,), frame)

    def save(self, out: str | Path) -> Path:
        """Write the video with the boxes, the sentence and a time line as an mp4 that browsers play; return its path.

        Raises:
            InputError: the video cannot be read any more, or `out` not be written, is the video or no .mp4.
        """
        write_overlay(self.video, Path(out), self.tube, self.text, None, self.candidates)
        return Path(out)

    def save_page(self, folder: str | Path) -> Path:
        """Write the page of this answer, with the playing video, the maps and the candidates; return its path.

        Raises:
            InputError: as save.
        """
        query = Query(self.video.video_id, self.video.video_id, self.text)
        entry = ReportEntry(query, self.video, self.tube, ranking=self.ranking)
        return write_report(Path(folder), f"{self.video.video_id}: {self.text}", [entry], SplitResults())

    def show(self, *, browser: bool = True) -> Path:
        """Open the answer's page in the web browser; it is written into a new temporary folder. Return its path.

        Raises:
            InputError: as save.
        """
        page = self.save_page(tempfile.mkdtemp(prefix="stvg-"))
        if browser:
            webbrowser.open(page.as_uri())
        return page


class VideoPreparer:
    """Prepares videos as a recipe says; the last ones stay in memory, up to `budget_bytes` of tubes and features."""

    def __init__(self, recipe: Recipe, budget_bytes: int = RECENT_BYTES) -> None:
        self._recipe = recipe
        self._cache: VideoCache[tuple[Path, str]] = VideoCache(budget_bytes, evict=True)
        self._preparer: Preparer | None = None

    def load_models(self) -> Preparer:
        """Return what prepares, loaded at the first call, which `prepare` makes if nobody did.

        Raises:
            InputError: a model's file is missing or is none, or the features are imported ones.
        """
        self._preparer = self._preparer or build_preparer(self._recipe)
        return self._preparer

    def prepare(self, path: Path, follow: Follow = follow_nothing) -> PreparedVideo:
        """Return the prepared video; a file that has changed since it was cached is prepared anew.

        `follow` hears of the stages, of none where the video is cached.

        Raises:
            InputError: the video cannot be read, or its name cannot be a key.
        """
        if (problem := key_problem(path.name)) is not None:
            raise InputError(f"{path}: {problem}")
        key = (path.resolve(), video_fingerprint(self._recipe, path))
        video = self._cache.get(key)
        if video is None:
            video = self._prepare(path, follow)
            self._cache.add(key, video)
        return video

    def _prepare(self, path: Path, follow: Follow) -> PreparedVideo:
        started = time.monotonic()
        made = self.load_models().prepare(path, path.name, follow)
        if made.video.tubes:
            logger.info(
                "found %d people's tubes in %s in %.1f s; throughput by stage: %s",
                len(made.video.tubes),
                path,
                time.monotonic() - started,
                made.times,
            )
        return made.video


class VideoGrounder:
    """Answers sentences about videos. A video's tubes and features are cached, so its second sentence is quick."""

    def __init__(self, recipe: Recipe, grounder: Grounder, videos: VideoPreparer) -> None:
        self._recipe, self._grounder, self._videos = recipe, grounder, videos

    def load_models(self) -> None:
        """Load what prepares videos now; without, the first video does.

        Raises:
            InputError: as VideoPreparer.load_models.
        """
        self._videos.load_models()

    def __call__(self, video: str | Path, text: str, follow: Follow = follow_nothing) -> GroundedVideo:
        """Return when and where the person is that the sentence describes; `follow` hears of the stages.

        Raises:
            InputError: the video cannot be read, or the sentence is none (check_sentence).
            NobodyFoundError: the detector found nobody in the video.
        """
        check_sentence(text)
        path = Path(video)
        prepared = self._videos.prepare(path, follow)
        if not prepared.tubes:
            raise NobodyFoundError(f"{path}: {NOBODY}")
        follow(MATCH)
        (found,) = self._grounder.ground([Query(path.name, path.name, text)], prepared)
        meta, prediction = replace(prepared.meta, path=path), found.prediction
        return GroundedVideo(meta, text, prediction.tube, prediction.score, found.ranking)

    def with_mode(self, mode: str) -> "VideoGrounder":
        """Return a grounder of another mode; it shares the networks and the cached videos.

        Raises:
            InputError: a mode that is none of MODES, or one that needs a temporal stage that was not trained.
        """
        if mode not in MODES:
            raise InputError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
        localizer = self._grounder.localizer
        if isinstance(localizer, WholeLocalizer) and mode != "tube_mmn":
            localizer = load_localizer(self._recipe)
        grounder = replace(self._grounder, localizer=localizer, fusion=build_fusion(self._recipe, mode))
        return VideoGrounder(self._recipe, grounder, self._videos)

    def with_detector(self, detector: DetectorConfig) -> "VideoGrounder":
        """Return a grounder with another detector; it shares the networks and has a cache of its own."""
        recipe = replace(self._recipe, detector=detector)
        return VideoGrounder(recipe, self._grounder, VideoPreparer(recipe))


def check_sentence(text: object, longest: int = LONGEST_SENTENCE) -> None:
    """Refuse what is no sentence that a person asks, whoever asks it.

    Raises:
        InputError: no string, one of white space alone, over `longest` letters, or not one line of text.
    """
    if not isinstance(text, str):
        raise InputError(f"sentence: expected text, got {str(text)[:40]}")
    if len(text) > longest:
        raise InputError(f"sentence: expected at most {longest} letters, got {len(text)}")
    if not text.strip():
        raise InputError(f"sentence: expected words, got {text[:40]!r}")
    if any(unicodedata.category(letter) in _NOT_IN_A_LINE for letter in text):
        raise InputError(f"sentence: expected a line of text, got {text[:40]!r}")


def to_supervision(tubes: Sequence[Tube], frame: int) -> Any:
    """Return the tubes' boxes in one frame as sv.Detections, none where no tube has one.

    `xyxy` (N, 4) float32 pixels of the video, `confidence` (N,) float32, `tracker_id` (N,) the tubes' ids, `class_id`
    (N,) zeros, and `data["class_name"]` "person".
    """
    import supervision as sv

    shown = [tube for tube in tubes if tube.span.start <= frame < tube.span.stop]
    rows = [frame - tube.start_frame for tube in shown]
    pairs = list(zip(shown, rows, strict=True))
    return sv.Detections(
        xyxy=np.array([tube.boxes_xyxy[row] for tube, row in pairs], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([tube.scores[row] for tube, row in pairs], dtype=np.float32),
        class_id=np.zeros(len(shown), dtype=np.int64),
        tracker_id=np.array([tube.tube_id for tube in shown], dtype=np.int64),
        data={"class_name": np.full(len(shown), PERSON)},
    )
