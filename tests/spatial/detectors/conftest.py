"""What several tests of detectors need."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rtdetr_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny RT-DETR with random weights and the classes cat, Person."""
    import torch
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 8, 8, 8],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[8, 8, 8],
        encoder_hidden_dim=16,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_layers=1,
        num_queries=12,
        num_denoising=0,
        id2label={0: "cat", 1: "Person"},
        label2id={"cat": 0, "Person": 1},
    )
    path = tmp_path_factory.mktemp("rtdetr")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RTDetrForObjectDetection(config).eval()
        with torch.no_grad():
            for weight in model.parameters():  # or all queries would have the same scores, nearly
                weight.add_(0.2 * torch.randn(weight.shape))
        model.save_pretrained(path)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(path)
    return path
