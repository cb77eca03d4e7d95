"""Check HC-STVG (or VidSTG) as its authors publish it, and lay it out as recipes expect it, by links.

Nothing is downloaded; where a data set is published is said by --where. OUT gets videos/, train.json, val.json,
test.json or test_queries.json, index.json (every video, and what is in it), report.json and report.md (everything that
is wrong). Exit code 3: something is, and is listed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stvg.cli import ExitCode, refuse, report_failures
from stvg.datasets.hcstvg.sources import Split, where_to_get

_SPLITS: tuple[Split, ...] = ("train", "val", "test", "test_queries")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a data set, or say where it is published."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.where:
        files = [f"--{split.replace('_', '-')}" for split in _SPLITS]
        others = ["--data", "--out", *files, "--cut-val", "--seed", "--decode", "--sentences", "--workers"]
        refuse(asked, others, "without --where")
        print(where_to_get(asked.dataset))
        return ExitCode.DONE
    if asked.data is None or asked.out is None:
        parser.error("expected --data and --out, or --where")
    if asked.cut_val is None:
        refuse(asked, ["--seed"], "with --cut-val")
    if asked.dataset != "vidstg":
        refuse(asked, ["--sentences"], "with vidstg")

    from stvg.datasets.hcstvg.layout import PrepareRequest, prepare_hcstvg
    from stvg.prepare.workers import local_workers
    from stvg.types import Failure

    request = PrepareRequest(
        asked.dataset,
        asked.data,
        asked.out,
        named={split: path for split in _SPLITS if (path := getattr(asked, split))},
        val_share=asked.cut_val,
        seed=asked.seed or 0,
        decode=asked.decode,
        sentences=asked.sentences or "captions",
    )
    wrong = prepare_hcstvg(request, local_workers(asked.workers))
    print(asked.out / "report.md")
    return report_failures([Failure(one.key, f"{one.split}: {one.kind}: {one.message}") for one in wrong])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stvg data", description=__doc__)
    parser.add_argument("dataset", choices=("hcstvg_v1", "hcstvg_v2", "vidstg"), help="which data set")
    parser.add_argument("--where", action="store_true", help="say where its authors publish it, and stop")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with all of it, in any subfolders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the links: data.root of a recipe")
    for split in ("train", "val", "test", "test-queries"):
        parser.add_argument(f"--{split}", type=Path, metavar="F", help=f"the file of {split} (default: looked for)")
    parser.add_argument("--cut-val", type=float, metavar="SHARE", help="make this share of train val, by whole films")
    parser.add_argument("--seed", type=int, help="seed of --cut-val (default 0)")
    parser.add_argument("--decode", action="store_true", help="decode every picture of every video, which takes long")
    parser.add_argument(
        "--sentences", choices=("captions", "questions", "both"), help="which of VidSTG's sentences (default captions)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes that check videos (default: all cores)")
    return parser
