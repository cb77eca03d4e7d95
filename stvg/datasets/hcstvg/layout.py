"""Check a published data set and lay it out by links."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stvg.datasets.hcstvg.findings import write_report
from stvg.datasets.hcstvg.index import DataIndex, IndexedVideo, index_path, write_index
from stvg.datasets.hcstvg.item_checks import Finding, SplitItems, check_items, read_split
from stvg.datasets.hcstvg.sources import Dataset, Sources, Split, find_sources
from stvg.datasets.hcstvg.val_split import cut_val
from stvg.datasets.hcstvg.videos import (
    CheckVideo,
    VideoFacts,
    content_findings,
    file_findings,
    find_file,
    spare_findings,
)
from stvg.datasets.hcstvg.vidstg import Sentences, convert_split
from stvg.errors import InputError
from stvg.io.files import read_json, remove_leftovers, write_json_atomically
from stvg.io.hcstvg_annotations import CLIP_S
from stvg.io.locks import locked
from stvg.prepare.workers import WorkerCrash, Workers

logger = logging.getLogger(__name__)
_CHECKED = ".checked.json"
"""What was found in which file, by size and time of change, so that a second check opens only what is new."""


@dataclass(frozen=True, slots=True)
class PrepareRequest:
    """What to check: the data set in `data`, laid out in `out`.

    `named` are annotation files of the user's choice; `val_share` of train's items become val, drawn with `seed`;
    `decode` looks at every picture of every video; `sentences` of VidSTG are taken.
    """

    dataset: Dataset
    data: Path
    out: Path
    named: Mapping[Split, Path] = field(default_factory=dict)
    val_share: float | None = None
    seed: int = 0
    decode: bool = False
    sentences: Sentences = "captions"


@dataclass(frozen=True, slots=True)
class _Checked:
    """The splits, the file of each key, what is in it, and all findings."""

    splits: Sequence[SplitItems]
    files: Mapping[str, Path]
    facts: Mapping[str, VideoFacts]
    findings: Sequence[Finding]


def prepare_hcstvg(request: PrepareRequest, workers: Workers) -> list[Finding]:
    """Check everything, write links, index and report; return what is wrong, without what does no harm.

    `out` gets videos/KEY, train.json, val.json, test.json, test_queries.json (those that there are), index.json,
    report.json and report.md.

    Raises:
        InputError: the folder has no data set, a file cannot be read, `out` is that folder or has files of somebody
            else where ours belong, or another run prepares `out`.
    """
    if request.out.resolve() == request.data.resolve():
        raise InputError(f"--out: expected a folder other than --data, whose files stay as they are, got {request.out}")
    sources = find_sources(request.dataset, request.data, request.named, request.out)
    with locked(request.out):
        request.out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(request.out)
        _check_free(request.out)
        splits, aliases = _read_splits(request, sources)
        splits = _with_val(request, splits)
        checked = _check(request, splits, sources, aliases, workers)
        _link_videos(request.out / "videos", checked.files)
        _lay_out(request, checked)
        write_index(index_path(request.out), _index(request.dataset, checked))
        page = write_report(request.out, request.dataset, checked.splits, checked.findings)
    wrong = [one for one in checked.findings if not one.minor]
    logger.info(
        "%d items of %d splits, %d findings, %d of them minor: see %s",
        sum(len(one.items) for one in splits),
        len(splits),
        len(checked.findings),
        len(checked.findings) - len(wrong),
        page,
    )
    return wrong


def _check_free(out: Path) -> None:
    """Refuse a folder with files in the way that no earlier run has put there."""
    for name in ("train.json", "val.json", "test.json", "test_queries.json"):
        place = out / name
        if place.exists() and not place.is_symlink() and not (out / _CHECKED).is_file():
            raise InputError(f"{place}: expected nothing or a link here, found something else; choose another --out")


def _read_splits(request: PrepareRequest, sources: Sources) -> tuple[list[SplitItems], dict[str, str]]:
    """Return the splits, and the names of the videos of keys that are not named after their video."""
    if request.dataset != "vidstg":
        return [read_split(split, path) for split, path in sources.annotations.items()], {}
    converted = [
        convert_split(split, path, request.data, request.sentences) for split, path in sources.annotations.items()
    ]
    return [one.split for one in converted], {key: name for one in converted for key, name in one.video_of.items()}


def _with_val(request: PrepareRequest, splits: list[SplitItems]) -> list[SplitItems]:
    """Return the splits, with val cut out of train if the user asks for it."""
    names = {one.split: one for one in splits}
    if request.val_share is None:
        if "train" in names and "val" not in names:
            logger.warning(
                "no val split: training needs one to choose its checkpoint; --cut-val 0.1 cuts it from train"
            )
        return splits
    if "val" in names or "train" not in names:
        raise InputError(f"--cut-val: expected a train split and no val split, got {', '.join(names)}")
    train = names["train"]
    try:
        kept, val = cut_val(train.items, request.val_share, request.seed)
    except ValueError as error:
        raise InputError(f"--cut-val: {error}") from error
    cut = check_items("val", train.path, list(val.items()))
    rest = replace(train, items=kept, total=train.total - len(val))
    return [rest if one is train else one for one in splits] + [cut]


def _check(
    request: PrepareRequest,
    splits: Sequence[SplitItems],
    sources: Sources,
    aliases: Mapping[str, str],
    workers: Workers,
) -> _Checked:
    findings = [finding for split in splits for finding in split.findings]
    findings += _in_two_splits(splits)
    videos = {
        **sources.videos,
        **{key: sources.videos[name] for key, name in aliases.items() if name in sources.videos},
    }
    files = {}
    for split in splits:
        findings += [one for one in file_findings(split, videos) if not (aliases and one.kind == "other extension")]
        files.update({key: path for key in split.items if (path := find_file(key, videos)) is not None})
    by_path = _check_files(request, sorted(set(files.values())), workers)
    facts = {key: by_path[path] for key, path in files.items()}
    clip_s = None if request.dataset == "vidstg" else CLIP_S
    for split in splits:
        findings += content_findings(split, facts, clip_s)
    if not aliases:
        findings += spare_findings(splits, sources.videos)
    return _Checked(splits, files, facts, findings)


def _in_two_splits(splits: Sequence[SplitItems]) -> list[Finding]:
    """Return keys of train or val that another one of the splits has too; queries and test are the same by intent."""
    seen: dict[str, str] = {}
    findings = []
    for split in (one for one in splits if one.split in ("train", "val", "test")):
        for key in split.items:
            if (other := seen.setdefault(key, split.split)) != split.split:
                findings.append(Finding(split.split, key, "in two splits", f"expected it once, {other} has it too"))
    return findings


def _check_files(request: PrepareRequest, paths: Sequence[Path], workers: Workers) -> dict[Path, VideoFacts]:
    """Return what is in each file; one that was checked before and has not changed is not opened again."""
    store = request.out / _CHECKED
    known = read_json(store) if store.is_file() else {}
    stamps = {path: f"{path.stat().st_size} {path.stat().st_mtime_ns} {request.decode}" for path in paths}
    facts = {path: VideoFacts(**known[str(path)][1]) for path in paths if known.get(str(path), [""])[0] == stamps[path]}
    todo = [path for path in paths if path not in facts]
    with tqdm(total=len(todo), desc="check", unit="video", disable=not todo) as bar:
        for path, found in workers.run(CheckVideo(request.decode), todo):
            facts[path] = VideoFacts(problem=found.reason) if isinstance(found, WorkerCrash) else found
            bar.update()
    plain = {str(path): [stamps[path], _plain(facts[path])] for path in paths}
    write_json_atomically(store, plain)
    return facts


def _plain(facts: VideoFacts) -> dict[str, Any]:
    return {
        "num_frames": facts.num_frames,
        "fps": facts.fps,
        "width": facts.width,
        "height": facts.height,
        "problem": facts.problem,
    }


def _link_videos(folder: Path, files: Mapping[str, Path]) -> None:
    """Link each key to its file; links of earlier runs that are no longer right are replaced or removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_symlink() and old.name not in files:
            old.unlink()
    for key, path in files.items():
        _link(folder / key, path)


def _link(place: Path, target: Path) -> None:
    """Make `place` a link to `target`.

    Raises:
        InputError: something that is no link stands there.
    """
    wanted = target.resolve()
    if place.is_symlink():
        if place.readlink() == wanted:
            return
        place.unlink()
    elif place.exists():
        raise InputError(f"{place}: expected nothing or a link here, found something else; choose another --out")
    place.symlink_to(wanted)


def _lay_out(request: PrepareRequest, checked: _Checked) -> None:
    """Put the splits' files in place: links to those that can be used as they are, else files of the usable items."""
    for split in checked.splits:
        place = request.out / f"{split.split}.json"
        if not split.items:
            raise InputError(f"{split.path}: expected at least one usable item, got none: {split.findings[0].message}")
        place.unlink(missing_ok=True)
        is_cut = request.val_share is not None and split.split in ("train", "val")
        if request.dataset != "vidstg" and not is_cut and len(split.items) == split.total and not split.findings:
            _link(place, split.path)
        else:
            write_json_atomically(place, split.items)
    names = {split.split: split for split in checked.splits}
    queries = request.out / "test_queries.json"
    if "test" in names and "test_queries" not in names:
        queries.unlink(missing_ok=True)
        write_json_atomically(
            queries,
            {key: item.get("caption", item.get("English")) for key, item in names["test"].items.items()},
            indent=1,
        )
    detections = request.data / "detections"
    if detections.is_dir():
        _link(request.out / "detections", detections)


def _index(dataset: str, checked: _Checked) -> DataIndex:
    """Return the index of all keys."""
    keys: dict[str, list[str]] = {}
    sizes = {}
    for split in checked.splits:
        sizes.update(split.sizes)
        for key in split.items:
            keys.setdefault(key, []).append(split.split)
    return DataIndex(
        dataset, {key: _indexed(key, tuple(splits), checked, sizes.get(key)) for key, splits in keys.items()}
    )


def _indexed(key: str, splits: tuple[str, ...], checked: _Checked, size: Any) -> IndexedVideo:
    facts, path = checked.facts.get(key), checked.files.get(key)
    if facts is None or path is None:
        facts, length = VideoFacts(problem="expected its video file, found none"), 0
    else:
        length = path.stat().st_size
    if facts.problem and size is not None:
        return IndexedVideo(splits, length, size.num_frames, 0.0, size.width, size.height, facts.problem)
    return IndexedVideo(splits, length, facts.num_frames, facts.fps, facts.width, facts.height, facts.problem)
