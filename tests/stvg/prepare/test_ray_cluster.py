"""Jobs on a Ray cluster. Where Ray is installed, a cluster of two nodes loses one in the middle of the work."""

import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from stvg.config import parse_config
from stvg.datasets.synthetic.make import write_video
from stvg.errors import InputError
from stvg.prepare.ray_cluster import RayCluster
from stvg.prepare.runner import prepare_videos
from stvg.prepare.store import PreparedStore
from stvg.prepare.workers import LocalWorkers
from stvg.recipe.build import build_preparer
from stvg.recipe.schema import Recipe


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--ray: expected the package ray, found none; pip install 'stvg\[ray\]'"):
        list(RayCluster().run(len, ["a"]))


@pytest.mark.parametrize("raised", [ConnectionError, Exception], ids=["no answer", "a node that starts too slowly"])
def test_a_cluster_that_cannot_be_had_is_one_line(monkeypatch, raised):
    def init(**options):
        raise raised("timed out\nduring startup")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(InputError, match="expected a Ray cluster at this machine, got: timed out during startup"):
        list(RayCluster().run(len, ["a"]))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Twelve videos of 24 frames, a person in each, one of them cut off."""
    root = tmp_path_factory.mktemp("ray")
    for folder in ("videos", "detections"):
        (root / folder).mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        path = root / "videos" / f"{number:02d}_x.mp4"
        write_video(path, rng.integers(0, 255, (24, 48, 64, 3), dtype=np.uint8), 10, 64, 48)
        rows = [f"{frame + 1},-1,{10 + frame},8,16,32,0.9,-1,-1,-1" for frame in range(24)]
        (root / "detections" / f"{path.stem}.txt").write_text("\n".join(rows))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return {path.name: path for path in sorted((root / "videos").iterdir())}


def prepare(videos, folder, engine):
    plain = {"data": {"root": "d"}, "output": {"root": "o"}, "detector": {"kind": "file"}}
    store = PreparedStore(folder / "train.h5", "recipe")
    make = partial(build_preparer, parse_config(Recipe, plain, "here"))
    failures = prepare_videos(videos, store, make, engine)
    return {path.name: path.read_bytes() for path in folder.iterdir()}, [failure.video_id for failure in failures]


class LosingANode:
    """A Ray cluster of which a node is killed after the second result."""

    def __init__(self, engine, cluster, node):
        self.engine, self.cluster, self.node = engine, cluster, node

    def run(self, work, jobs):
        for number, result in enumerate(self.engine.run(work, jobs)):
            if number == 1:
                self.cluster.remove_node(self.node, allow_graceful=False)
            yield result


@pytest.mark.filterwarnings("ignore")
def test_a_node_that_dies_costs_nothing(videos, tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    from ray.cluster_utils import Cluster

    expected = prepare(videos, tmp_path / "alone", LocalWorkers(1))
    assert expected[1] == ["11_x.mp4"]
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        engine = LosingANode(RayCluster(cluster.address), cluster, cluster.add_node(num_cpus=1))
        found = prepare(videos, tmp_path / "cluster", engine)
    finally:
        cluster.shutdown()
    assert found == expected
    assert set(found[0]) == {"train.h5", "train.failed.json"}


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_does_not_answer():
    pytest.importorskip("ray", reason="needs the extra ray")
    with pytest.raises(InputError, match="--ray: expected a Ray cluster at auto, got: "):
        list(RayCluster("auto").run(len, ["a"]))
