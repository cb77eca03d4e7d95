"""A text encoder with the size of the published one and no training, for where only its speed counts."""

from stvg.compute.matmul import use_onednn_linear
from temporal.mmn.text_encoder import TextBackbone


def random_distilbert() -> TextBackbone:
    """Return a DistilBERT of the size of distilbert-base-uncased (66 million weights), randomly initialised."""
    from transformers import DistilBertConfig, DistilBertModel

    size = DistilBertConfig()
    encoder = DistilBertModel(size)
    use_onednn_linear(encoder)
    return TextBackbone(encoder, size.dim)
