"""Write what a check found: report.json and report.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stvg.datasets.hcstvg.item_checks import Finding, SplitItems
from stvg.datasets.hcstvg.sources import Dataset
from stvg.io.files import write_json_atomically, write_text_atomically


def write_report(folder: Path, dataset: Dataset, splits: Sequence[SplitItems], findings: Sequence[Finding]) -> Path:
    """Write both files and return the readable one.

    Raises:
        InputError: as stvg.io.files.writing.
    """
    counts = [_counts(split, findings) for split in splits]
    plain = {"dataset": dataset, "splits": counts, "findings": [asdict(one) for one in findings]}
    write_json_atomically(folder / "report.json", plain, indent=1)
    write_text_atomically(folder / "report.md", _to_markdown(dataset, counts, findings))
    return folder / "report.md"


def _counts(split: SplitItems, findings: Sequence[Finding]) -> dict[str, str | int]:
    own = [one for one in findings if one.split == split.split]
    keys = {kind: {one.key for one in own if one.kind == kind} for kind in ("missing video", "unreadable video")}
    return {
        "split": split.split,
        "file": split.path.name,
        "items": split.total,
        "left_out": split.total - len(split.items),
        "missing_videos": len(keys["missing video"]),
        "unreadable_videos": len(keys["unreadable video"]),
    }


def _to_markdown(dataset: str, counts: Sequence[dict[str, str | int]], findings: Sequence[Finding]) -> str:
    names = ("split", "file", "items", "left out", "missing videos", "unreadable videos")
    lines = [f"# {dataset}: what the check found", "", f"| {' | '.join(names)} |", "| --- | --- |" + " ---: |" * 4]
    lines += [f"| {' | '.join(str(one[name.replace(' ', '_')]) for name in names)} |" for one in counts]
    kinds = Counter((one.kind, one.minor, one.left_out) for one in findings)
    lines += ["", "| finding | how often | what follows |", "| --- | ---: | --- |"]
    lines += [
        f"| {kind} | {count} | {_consequence(minor, left_out)} |"
        for (kind, minor, left_out), count in sorted(kinds.items())
    ]
    for kind in sorted({one.kind for one in findings}):
        lines += ["", f"## {kind}", ""]
        lines += [f"- {one.split or 'no split'}: `{one.key}`: {one.message}" for one in findings if one.kind == kind]
    return "\n".join(lines) + "\n"


def _consequence(minor: bool, left_out: bool) -> str:
    if left_out:
        return "left out of the split's file: other commands refuse such an item"
    return "none" if minor else "stays in the split; commands list it where they cannot use it"
