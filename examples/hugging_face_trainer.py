"""The geometry of a Vision Transformer in the Trainer of transformers: digits on a CPU, less than a minute.

    pip install transformers accelerate
    python examples/hugging_face_trainer.py

The numbers are among the metrics of every evaluation, so that the Trainer can choose by them which checkpoint it keeps, as it does here.
"""

from __future__ import annotations

from tempfile import TemporaryDirectory

from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification, set_seed

from repr_probe import GeometryMonitor, probe_set
from repr_probe.monitor.hugging_face import GeometryTrainerCallback
from repr_probe.monitor.probe_set import ProbeSet
from repr_probe.preprocessing import InputSpec

SPEC = InputSpec(size=(8, 8), mean=(0.3055,), std=(0.376,))
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def rows_of(images: ProbeSet) -> list[dict[str, object]]:
    """What the Trainer takes for a data set."""
    return [{"pixel_values": image, "labels": int(label)} for image, label in zip(images.images, images.labels, strict=True)]


def main(epochs: int = 6, batch_size: int = 64, limit: int | None = None) -> tuple[list[dict[str, float]], float]:
    """The numbers after every epoch, and the best kNN accuracy, whose checkpoint the Trainer keeps."""
    learnt, held = probe_set("digits", SPEC, split="train", limit=limit), probe_set("digits", SPEC, limit=limit)
    monitor = GeometryMonitor(*held, linear=False)  # looks at the class token of `model.base_model`
    set_seed(0)
    model = ViTForImageClassification(ViTConfig(image_size=8, patch_size=2, num_channels=1, num_labels=10, **SMALL))
    with TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, per_device_train_batch_size=batch_size, per_device_eval_batch_size=450, learning_rate=2e-3,
            eval_strategy="epoch", save_strategy="best", metric_for_best_model="eval_knn_top1", save_total_limit=1,
            logging_strategy="no", report_to=[], use_cpu=True, seed=0,
        )  # fmt: skip
        callbacks = [GeometryTrainerCallback(monitor)]
        trainer = Trainer(model, arguments, train_dataset=rows_of(learnt), eval_dataset=rows_of(held), callbacks=callbacks)
        monitor(model, step=0)
        trainer.train()
    return monitor.history, float(trainer.state.best_metric or 0.0)


if __name__ == "__main__":
    history, best = main()
    print(f"{'step':>5}{'kNN %':>8}{'effective rank':>16}{'anisotropy':>12}")
    for row in history:
        print(f"{row['step']:5}{100 * row['knn_top1']:8.1f}{row['effective_rank']:16.1f}{row['anisotropy']:12.3f}")
    print(f"the checkpoint kept has {100 * best:.1f} %")
