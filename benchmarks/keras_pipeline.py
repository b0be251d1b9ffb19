"""The coursework's Keras pipeline, timed: run by run.py in an environment with TensorFlow.

Prints one JSON object: images a second, and processor seconds an image, of VGG16's training and
prediction, and of ResNet50V2's.
Weights are random: they do not change the speed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pandas as pd
from tensorflow import keras
from tensorflow.keras import layers
from tensorflow.keras.preprocessing.image import ImageDataGenerator


def build(name: str) -> keras.Model:
    application = {"vgg16": keras.applications.VGG16, "resnet50v2": keras.applications.ResNet50V2}
    base = application[name](weights=None, include_top=False, input_shape=(224, 224, 3))
    if name == "vgg16":
        for layer in base.layers:
            layer.trainable = layer.name in ("block5_conv2", "block5_conv3")
    model = keras.Sequential([base, layers.Flatten()])
    for width in (128, 128, 64):
        model.add(layers.Dense(width, activation="relu"))
        model.add(layers.Dropout(0.6))
    model.add(layers.Dense(1, activation="linear"))
    model.compile(loss="mse", optimizer=keras.optimizers.RMSprop(learning_rate=1e-6))
    return model


def make_generator(name: str, augments: bool) -> ImageDataGenerator:
    module = {"vgg16": keras.applications.vgg16, "resnet50v2": keras.applications.resnet_v2}[name]
    options = {"preprocessing_function": module.preprocess_input, "rescale": 1 / 255}
    if augments:
        options |= {
            "shear_range": 0.2,
            "zoom_range": 0.2,
            "horizontal_flip": True,
            "vertical_flip": True,
        }
    return ImageDataGenerator(**options)


def time_model(name: str, frame: pd.DataFrame, folder: Path, steps: int) -> dict[str, float]:
    flow = {
        "dataframe": frame,
        "directory": str(folder),
        "x_col": "picture",
        "y_col": "label",
        "target_size": (224, 224),
        "class_mode": "raw",
        "validate_filenames": False,
    }
    model = build(name)
    training = make_generator(name, augments=True).flow_from_dataframe(batch_size=64, **flow)
    model.fit(training, steps_per_epoch=1, verbose=0)
    start, busy = time.perf_counter(), time.process_time()
    model.fit(training, steps_per_epoch=steps, verbose=0)
    trained = 64 * steps / (time.perf_counter() - start)
    trained_s = (time.process_time() - busy) / (64 * steps)
    testing = make_generator(name, augments=False).flow_from_dataframe(
        batch_size=32, shuffle=False, **flow
    )
    model.predict(testing, steps=1, verbose=0)
    start, busy = time.perf_counter(), time.process_time()
    model.predict(testing, steps=2 * steps, verbose=0)
    predicted = 64 * steps / (time.perf_counter() - start)
    predicted_s = (time.process_time() - busy) / (64 * steps)
    figures = {"training": trained, "prediction": predicted}
    figures |= {"training_cpu_s": trained_s, "prediction_cpu_s": predicted_s}
    return {f"{name}_{key}": value for key, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--networks", nargs="+", default=["vgg16", "resnet50v2"])
    arguments = parser.parse_args()
    # Six hundred and forty pictures: every step has a full batch of 64.
    names = sorted(path.name for path in arguments.folder.glob("*.png"))[:640]
    frame = pd.DataFrame({"picture": names, "label": 0.0})
    found: dict[str, float] = {}
    for name in arguments.networks:
        found |= time_model(name, frame, arguments.folder, arguments.steps)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
