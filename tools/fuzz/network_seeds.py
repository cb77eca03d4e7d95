"""Write the small healthy files of networks: checkpoints, states of training, encoders, detectors."""

import base64
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fuzz.seeds import Seed
from stvg.config import dump_config
from temporal.mmn.losses import Losses
from temporal.mmn.network import MMNConfig, make_mmn
from temporal.mmn.text_encoder import TextBackbone
from temporal.training import loop
from temporal.training.checkpoint import save_weights
from temporal.training.config import TrainingConfig

NETWORK = MMNConfig(
    num_pre_clips=8,
    num_clips=8,
    pool_kernel=1,
    hidden_size=4,
    joint_size=4,
    conv_kernel=3,
    conv_layers=2,
    pooling_counts=(7,),
)
EPOCHS = 18
"""Of the training in `TinyTask`."""
WEIGHT_BYTES = 800
"""Bytes of the weights of each TensorFlow.js graph."""
_OFFICIAL = (
    ("clip_pool.", "featpool."),
    ("moment_map.", "feat2d."),
    ("map_conv.convs.", "proposal_conv.convs."),
    ("map_conv.norms.", "proposal_conv.bn."),
    ("contrastive_head.", "proposal_conv.conv1x1_contrastive."),
    ("iou_head.", "proposal_conv.conv1x1_iou."),
    ("query_heads.norm.", "text_encoder.layernorm."),
    ("query_heads.iou.", "text_encoder.fc_out1."),
    ("query_heads.contrastive.", "text_encoder.fc_out2."),
    ("text_backbone.encoder.", "text_encoder.bert."),
)


class TinyTask:
    """A training of a tiny network, of no use but for its files."""

    contrastive_weight, seed, text_parameters = 1.0, 0, ()

    def __init__(self) -> None:
        self.model = make_mmn(NETWORK, 6, 8)

    def items(self) -> list[Any]:
        """One item."""
        return [torch.ones(6)]

    def versions(self) -> tuple[()]:
        """None."""
        return ()

    def loss(self, batch: object) -> Losses:
        """Zero."""
        zero: Any = sum(parameter.sum() for parameter in self.model.parameters()) * 0.0
        return Losses(vid=zero, sent=zero, iou=zero)

    def score(self) -> float:
        """Zero."""
        return 0.0

    def description(self) -> dict[str, Any]:
        """What a checkpoint says of the network."""
        return {"a": 1, "input_size": 6}

    def setting(self) -> dict[str, Any]:
        """What a training depends on."""
        return {"annotations": "x"}


class _InterruptedTask(TinyTask):
    """The same training, interrupted before its last epoch is scored."""

    def __init__(self) -> None:
        super().__init__()
        self._scored = 0

    def score(self) -> float:
        """Zero, but for the last epoch."""
        self._scored += 1
        if self._scored == EPOCHS:
            raise InterruptedError
        return 0.0


def last_pt(folder: Path) -> Sequence[Seed]:
    """Return the state of a training after its last epoch but one."""
    torch.manual_seed(0)
    task: Any = _InterruptedTask()
    with suppress(InterruptedError):
        loop.train(task, TrainingConfig(epochs=EPOCHS), folder)
    return [Seed((folder / "last.pt").read_bytes(), "torch")]


def checkpoints(folder: Path) -> Sequence[Seed]:
    """Return weights with their config."""
    save_weights(make_mmn(NETWORK, 6, 8), {**dump_config(NETWORK), "input_size": 6}, folder / "w.safetensors")
    return [Seed((folder / "w.safetensors").read_bytes(), "safetensors")]


def official(folder: Path) -> Sequence[Seed]:
    """Return an official checkpoint of an MMN with a tiny encoder."""
    from transformers import DistilBertConfig, DistilBertModel

    tiny = DistilBertConfig(vocab_size=11, max_position_embeddings=12, n_layers=1, n_heads=2, dim=8, hidden_dim=10)
    model = make_mmn(NETWORK, 5, 8, TextBackbone(DistilBertModel(tiny), 8))
    state = {}
    for name, value in model.state_dict().items():
        ours, theirs = next(pair for pair in _OFFICIAL if name.startswith(pair[0]))
        state[f"module.{theirs}{name.removeprefix(ours)}"] = value
    torch.save({"model": state, "epoch": 3}, folder / "o.pth")
    return [Seed((folder / "o.pth").read_bytes(), "torch")]


def encoder(folder: Path) -> Path:
    """Write a tiny text encoder with its tokenizer, as save_pretrained leaves them; return its folder."""
    from transformers import BertTokenizerFast, DistilBertConfig, DistilBertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "man", "walks"]
    tiny = DistilBertConfig(vocab_size=8, max_position_embeddings=12, n_layers=1, n_heads=2, dim=8, hidden_dim=8)
    DistilBertModel(tiny).save_pretrained(folder)
    BertTokenizerFast(vocab={word: index for index, word in enumerate(words)}).save_pretrained(folder)
    return folder


def encoder_weights(folder: Path) -> Sequence[Seed]:
    """Return an encoder's model.safetensors."""
    return [Seed((encoder(folder) / "model.safetensors").read_bytes(), "safetensors")]


def encoder_config(folder: Path) -> Sequence[Seed]:
    """Return an encoder's config.json."""
    return [Seed((encoder(folder) / "config.json").read_bytes(), "json")]


def encoder_tokenizer(folder: Path) -> Sequence[Seed]:
    """Return an encoder's tokenizer.json."""
    return [Seed((encoder(folder) / "tokenizer.json").read_bytes(), "json")]


def onnx_models(folder: Path) -> Sequence[Seed]:
    """Return models that find nobody: YOLOX's and DETR's outputs, constant but for 0 x the picture."""
    shapes: tuple[dict[str, tuple[int, ...]], ...] = (
        {"output": (84, 8)},
        {"logits": (5, 3), "pred_boxes": (5, 4)},
        {"labels": (5,), "boxes": (5, 4), "scores": (5,)},
    )
    return [Seed(_constant_model(one), "onnx") for one in shapes]


def _constant_model(shapes: dict[str, tuple[int, ...]]) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0, axes=[0, 1, 2, 3]),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
    ]
    weights = [numpy_helper.from_array(np.zeros((), np.float32), "nothing")]
    for name, shape in shapes.items():
        weights.append(numpy_helper.from_array(np.full((1, *shape), 0.25, np.float32), f"w_{name}"))
        nodes.append(helper.make_node("Add", ["zero", f"w_{name}"], [name]))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *shape]) for name, shape in shapes.items()]
    picture = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    graph = helper.make_graph(nodes, "constant", [picture], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def graph_models(folder: Path) -> Sequence[Seed]:
    """Return TensorFlow.js graphs of a few operations, each with WEIGHT_BYTES of weights, all zero."""
    window = {
        "data_format": _text("NHWC"),
        "padding": _text("VALID"),
        "strides": {"list": {"i": [1, 1, 1, 1]}},
        "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
    }
    convolution = [_node("Conv2D", ["x", "w"], "c", **window), _node("LeakyRelu", ["c"], "y", alpha={"f": 0.1})]
    ksize = {"ksize": {"list": {"i": [1, 2, 2, 1]}}}
    pool = [_node("Pad", ["x", "p"], "a"), _node("MaxPool", ["a"], "y", **window, **ksize)]
    sums = [_node("Sigmoid", ["x"], "a"), _node("AddV2", ["a", "v"], "b"), _node("ConcatV2", ["a", "b", "i"], "y")]
    return [
        _graph(convolution, {"w": ((1, 1, 3, 4), "float32")}, (1, 6, 5, 4)),
        _graph(pool, {"p": ((4, 2), "int32")}, (1, 5, 4, 3)),
        _graph(sums, {"v": ((3,), "float32"), "i": ((), "int32")}, (2, 6, 5, 3)),
    ]


def _graph(nodes: list[Any], weights: dict[str, tuple[tuple[int, ...], str]], shape: tuple[int, ...]) -> Seed:
    used = sum(4 * int(np.prod(sides)) for sides, _ in weights.values())
    weights = {**weights, "rest": (((WEIGHT_BYTES - used) // 4,), "float32")}
    manifest = [{"name": name, "shape": list(sides), "dtype": kind} for name, (sides, kind) in weights.items()]
    given = [{"name": "x", "op": "Placeholder"}, *({"name": name, "op": "Const"} for name in weights)]
    signature = {"inputs": _entry("x", (1, 6, 5, 3)), "outputs": _entry("y", shape)}
    model = {
        "modelTopology": {"node": [*given, *nodes]},
        "weightsManifest": [{"paths": ["m.bin"], "weights": manifest}],
        "signature": signature,
    }
    return Seed(json.dumps(model).encode(), "json")


def _entry(name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    dimensions = {"dim": [{"size": str(side)} for side in shape]}
    return {f"{name}:0": {"name": f"{name}:0", "dtype": "DT_FLOAT", "tensorShape": dimensions}}


def _node(operation: str, inputs: list[str], name: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": operation, "input": inputs, "attr": attributes}


def _text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}
