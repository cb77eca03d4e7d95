from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import RTDetrForObjectDetection, RTDetrImageProcessor

from spatial.detectors.transformers import TransformersConfig, TransformersDetector
from stvg.errors import InputError
from stvg.types import VideoFrames, VideoMeta


def footage(count: int = 5) -> VideoFrames:
    images = np.random.default_rng(0).integers(0, 255, (count, 45, 80, 3), dtype=np.uint8)
    return VideoFrames(
        VideoMeta("v.mp4", Path("v.mp4"), 3 * count, 10.0, 160, 90), 3 * np.arange(count), images, 0.5, ()
    )


def detector(folder: Path, **options: Any) -> TransformersDetector:
    return TransformersConfig(name=str(folder), **options).build("cpu")


def test_boxes_are_the_models_own(rtdetr_folder: Path) -> None:
    found = detector(rtdetr_folder, threshold=0.0, min_side=0.0).detect(footage())
    assert [item.frame for item in found] == [0, 3, 6, 9, 12]
    model, processor = (
        RTDetrForObjectDetection.from_pretrained(rtdetr_folder),
        RTDetrImageProcessor.from_pretrained(rtdetr_folder),
    )
    with torch.no_grad():
        outputs = model(**processor(images=list(footage().images), return_tensors="pt"))
    results = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[(90, 160)] * 5)
    for item, result in zip(found, results, strict=True):
        person = result["labels"] == 1
        order = torch.argsort(result["scores"][person], descending=True, stable=True)
        expected = result["boxes"][person][order].clamp(min=torch.zeros(4), max=torch.tensor([160.0, 90, 160, 90]))
        np.testing.assert_allclose(item.boxes_xyxy, expected.numpy(), atol=1e-3)
        assert len(item) > 0


def test_batch_size_does_not_change_the_answer(rtdetr_folder: Path) -> None:
    one, many = (
        detector(rtdetr_folder, threshold=0.0, min_side=0.0, batch_size=size).detect(footage()) for size in (1, 4)
    )
    for first, second in zip(one, many, strict=True):
        np.testing.assert_allclose(first.boxes_xyxy, second.boxes_xyxy, atol=1e-2)


def test_threshold(rtdetr_folder: Path) -> None:
    assert all(len(item) == 0 for item in detector(rtdetr_folder, threshold=1.0).detect(footage()))


def test_missing_class_is_named(rtdetr_folder: Path) -> None:
    with pytest.raises(InputError, match="expected a class 'dog', found 2 classes: cat, Person"):
        detector(rtdetr_folder, person_label="dog")


def test_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder or hub name") as caught:
        detector(tmp_path / "none")
    assert "\n" not in str(caught.value)


def test_not_finite_is_refused(rtdetr_folder: Path) -> None:
    made = detector(rtdetr_folder)
    with torch.no_grad():
        for weight in made._model.parameters():
            weight.fill_(float("nan"))
    with pytest.raises(InputError, match=r"v\.mp4: frames 0 to 0: expected finite scores from"):
        made.detect(footage(1))
