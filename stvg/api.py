"""The door for Python: load trained stages, ask sentences of videos, look at the answers.

>>> from stvg import load
>>> grounder = load("configs/demo.yaml")  # doctest: +SKIP
>>> prediction = grounder("video.mp4", "The man in black sits down.")  # doctest: +SKIP
>>> prediction.seconds  # doctest: +SKIP
(3.1, 5.2)
>>> prediction.save("out.mp4")  # doctest: +SKIP
"""

import tempfile
import webbrowser
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stvg.config import load_config
from stvg.errors import InputError
from stvg.fusion.ranking import Explainer, Explanation
from stvg.io.files import key_problem
from stvg.io.video import read_meta
from stvg.pipeline import Preparer
from stvg.recipe.build import build_explainer, build_fusion, build_preparer
from stvg.recipe.schema import DetectorConfig, Recipe
from stvg.recipe.workspace import video_fingerprint
from stvg.supervised import to_supervision
from stvg.types import PreparedVideo, Query, Tube, VideoMeta
from stvg.viewer.entry import ReportEntry, SplitResults
from stvg.viewer.overlay import write_overlay
from stvg.viewer.page.write import write_report

MODES = ("two_stage", "joint", "tube_mmn")
NOBODY = "expected at least one person, the detector found none"


def load(config: str | Path, overrides: Sequence[str] = ()) -> "VideoGrounder":
    """Return the trained pipeline of a recipe; `overrides` are as on the command line, `"detector.kind=hog"`.

    Raises:
        InputError: the recipe cannot be read, or a checkpoint is missing or belongs to another recipe.
    """
    recipe = load_config(Recipe, Path(config), overrides)
    return VideoGrounder(recipe, build_explainer(recipe), KeptVideos(recipe))


@dataclass(frozen=True, slots=True)
class GroundedVideo:
    """The answer to one sentence: the tube, cropped to its span, and the candidates and maps behind it."""

    video: VideoMeta
    text: str
    tube: Tube
    score: float
    explanation: Explanation

    @property
    def seconds(self) -> tuple[float, float]:
        """When: start and end in seconds."""
        return self.tube.span.start / self.video.fps, self.tube.span.stop / self.video.fps

    @property
    def candidates(self) -> tuple[Tube, ...]:
        """The tubes of all people found, over their whole length."""
        return tuple(reading.tube for reading in self.explanation.tubes)

    def detections(self, frame: int, *, candidates: bool = False) -> Any:
        """Return the answer's box in a frame (0-based), or all candidates' boxes, as supervision's sv.Detections."""
        return to_supervision(self.candidates if candidates else (self.tube,), frame)

    def save(self, out: str | Path) -> Path:
        """Write the video with the boxes, the sentence and a time line as an mp4 that browsers play; return its path.

        Raises:
            InputError: the video cannot be read any more, or `out` not be written.
        """
        write_overlay(self.video.path, Path(out), self.tube, self.text, None, self.candidates)
        return Path(out)

    def save_page(self, folder: str | Path) -> Path:
        """Write the page of this answer, with the playing video, the maps and the candidates; return its path.

        Raises:
            InputError: as save.
        """
        query = Query(self.video.video_id, self.video.video_id, self.text)
        entry = ReportEntry(query, self.video, self.tube, explanation=self.explanation)
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


class KeptVideos:
    """Prepares videos as a recipe says and keeps the last `keep` of them in memory, tubes and features."""

    def __init__(self, recipe: Recipe, keep: int = 8) -> None:
        self._recipe, self._keep = recipe, keep
        self._videos: OrderedDict[tuple[Path, str], PreparedVideo] = OrderedDict()
        self._preparer: Preparer | None = None

    def __call__(self, path: Path) -> PreparedVideo:
        """Return the prepared video, found now or kept; a file that has changed since is prepared anew.

        Raises:
            InputError: the video cannot be read, or its name cannot be a key.
        """
        if (problem := key_problem(path.name)) is not None:
            raise InputError(f"{path}: {problem}")
        if not path.is_file():
            read_meta(path, path.name)  # raises, and says what is there instead
        key = (path.resolve(), video_fingerprint(self._recipe, path))
        if key not in self._videos:
            self._preparer = self._preparer or build_preparer(self._recipe)
            self._videos[key] = self._preparer.prepare(path, path.name)
        self._videos.move_to_end(key)
        while len(self._videos) > self._keep:
            self._videos.popitem(last=False)
        return self._videos[key]


class VideoGrounder:
    """Answers sentences about videos. A video's tubes and features are kept, so its second sentence is quick."""

    def __init__(self, recipe: Recipe, explainer: Explainer, videos: KeptVideos) -> None:
        self._recipe, self._explainer, self._videos = recipe, explainer, videos

    def __call__(self, video: str | Path, text: str) -> GroundedVideo:
        """Return when and where the person is that the sentence describes.

        Raises:
            InputError: the video cannot be read, nobody is found in it, or the sentence is empty.
        """
        if not text.strip():
            raise InputError(f"sentence: expected words, got {text!r}")
        path = Path(video)
        prepared = self._videos(path)
        if not prepared.tubes:
            raise InputError(f"{path}: {NOBODY}")
        prediction, explanation = self._explainer(Query(path.name, path.name, text), prepared)
        return GroundedVideo(replace(prepared.meta, path=path), text, prediction.tube, prediction.score, explanation)

    def with_mode(self, mode: str) -> "VideoGrounder":
        """Return a grounder that joins the stages otherwise; it shares the networks and the kept videos.

        Raises:
            InputError: a mode that is none of MODES.
        """
        if mode not in MODES:
            raise InputError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
        explainer = replace(self._explainer, fusion=build_fusion(self._recipe, mode))
        return VideoGrounder(self._recipe, explainer, self._videos)

    def with_detector(self, detector: DetectorConfig) -> "VideoGrounder":
        """Return a grounder that finds people otherwise; it shares the networks and keeps videos of its own."""
        recipe = replace(self._recipe, detector=detector)
        return VideoGrounder(recipe, self._explainer, KeptVideos(recipe))
