"""What a batch asks for at least: multiplications and bytes, counted."""

from dataclasses import dataclass

from speed.implementations import SpeedTask, sentence_counts
from temporal.sparse_conv.cells import needed_cells, reachable_cells, valid_counts


@dataclass(frozen=True, slots=True)
class Work:
    """Floating point operations of a direct computation that leaves out what is zero, and bytes to move for it."""

    operations: float
    bytes: float


def work_of(task: SpeedTask, *, training: bool) -> Work:
    """Return the work of one step, or of answering the batch once.

    Operations: products of the clip layer, of the convolution over active cells (each with its active neighbours), of
    the heads and of the text encoder (none where its vectors are cached); a step takes three times those of a forward
    pass. Bytes: weights are read forward, and in a step backward too, their gradients written and the optimiser's three
    tensors read and written; each layer's active cells are written and read, in a step twice. Convolving in the
    frequency domain can do with fewer operations.
    """
    sizes, model = task.network, task.make_network("dense")
    counts = valid_counts(model.mask.cpu(), sizes.conv_kernel, sizes.conv_layers)
    cells = (reachable_cells if training else needed_cells)(model.mask.cpu(), counts, sizes.conv_kernel)
    width, videos = sizes.hidden_size, len(task.clips)
    pairs = sum(int(count[own].sum()) for count, own in zip(counts, cells[1:], strict=True))
    moments, queries = int(model.mask.sum()), task.moments.shape[0] * task.moments.shape[1]
    products = (
        videos
        * (
            sizes.num_pre_clips * task.clips.shape[2] * width
            + pairs * width**2
            + 2 * moments * width * sizes.joint_size
        )
        + 2 * queries * model.query_heads.norm.weight.numel() * sizes.joint_size
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if task.text_learns:
        encoder = task.make_backbone()
        text = sum(weight.numel() for name, weight in encoder.named_parameters() if "embeddings" not in name)
        products += text * sentence_counts(task.tokens)
        parameters += sum(weight.numel() for weight in encoder.parameters())
    rows = videos * width * sum(int(own.sum()) for own in cells[1:])
    passes, weights = (3, 10) if training else (1, 1)
    return Work(2.0 * passes * products, 4.0 * (weights * parameters + (4 if training else 2) * rows))
