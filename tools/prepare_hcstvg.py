"""Check HC-STVG (or VidSTG) as its authors publish it, and lay it out as recipes expect it, by links.

Nothing is downloaded; where a data set is published is said by --where. OUT gets videos/, train.json, val.json,
test.json or test_queries.json, index.json (every video, and what is in it), report.json and report.md (everything that
is wrong). Exit code 3: something is, and is listed.
"""

import argparse
from pathlib import Path

from stvg.cli import ExitCode, report_failures, run


def main() -> int:
    """Parse and check."""
    arguments = _parser().parse_args()

    from stvg.datasets.hcstvg.layout import PrepareRequest, prepare_hcstvg
    from stvg.datasets.hcstvg.sources import where_to_get
    from stvg.prepare.workers import local_workers
    from stvg.types import Failure

    if arguments.where:
        print(where_to_get(arguments.dataset))
        return ExitCode.DONE
    if arguments.data is None or arguments.out is None:
        _parser().error("expected --data and --out, or --where")
    named = {
        split: path
        for split, path in (
            ("train", arguments.train),
            ("val", arguments.val),
            ("test", arguments.test),
            ("test_queries", arguments.test_queries),
        )
        if path
    }
    request = PrepareRequest(
        arguments.dataset,
        arguments.data,
        arguments.out,
        named,
        arguments.cut_val,
        arguments.seed,
        arguments.decode,
        arguments.sentences,
    )
    wrong = prepare_hcstvg(request, local_workers(arguments.workers))
    print(arguments.out / "report.md")
    return report_failures([Failure(one.key, f"{one.split}: {one.kind}: {one.message}") for one in wrong])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=("hcstvg_v1", "hcstvg_v2", "vidstg"), help="which data set")
    parser.add_argument("--where", action="store_true", help="say where its authors publish it, and stop")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with all of it, in any subfolders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the links: data.root of a recipe")
    for split in ("train", "val", "test", "test-queries"):
        parser.add_argument(f"--{split}", type=Path, metavar="F", help=f"the file of {split} (default: looked for)")
    parser.add_argument("--cut-val", type=float, metavar="SHARE", help="make this share of train val, by whole films")
    parser.add_argument("--seed", type=int, default=0, help="seed of --cut-val (default %(default)s)")
    parser.add_argument("--decode", action="store_true", help="decode every picture of every video, which takes long")
    parser.add_argument(
        "--sentences",
        choices=("captions", "questions", "both"),
        default="captions",
        help="which of VidSTG's sentences (default %(default)s)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes that check videos (default: all cores)")
    return parser


if __name__ == "__main__":
    run(main)
