"""Write keras_models.npz and the files of Keras 3 that it is about: models as Keras saved them, and what they gave.

Run it where Keras 3.15 with PyTorch 2.13 below it is installed: python tests/golden/make_keras.py. For each NAME there
are NAME|x and NAME|y in the archive and the model in keras_NAME.keras and keras_NAME.h5 beside it.
"""

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

layers = keras.layers
rng = np.random.default_rng(0)
FOLDER = Path(__file__).parent


def stacked():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 3),
            layers.Bidirectional(layers.GRU(4, return_sequences=True)),
            layers.Dropout(0.2),
            layers.LSTM(4, recurrent_activation="hard_sigmoid"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def functional():
    x = keras.Input((5, 3))
    options = {"reset_after": False, "recurrent_activation": "hard_sigmoid", "go_backwards": True}
    y = layers.GRU(4, return_sequences=True, **options)(x)
    y = layers.TimeDistributed(layers.Dense(2, "tanh"))(y)
    y = layers.Bidirectional(layers.LSTM(4))(y)
    y = layers.Dense(2)(y)
    y = layers.Activation("relu")(y)
    return keras.Model(x, y)


def nested():
    inside = keras.Sequential(
        [layers.SimpleRNN(4, return_sequences=True, use_bias=False), layers.GRU(5, return_sequences=True, dropout=0.1)]
    )
    head = [layers.GlobalAveragePooling1D(), layers.Dense(2, use_bias=False), layers.Softmax()]
    return keras.Sequential([keras.Input((5, 3)), inside, *head])


if __name__ == "__main__":
    results = {}
    for make in (stacked, functional, nested):
        name, model = make.__name__, make()
        model.set_weights([rng.normal(scale=0.5, size=w.shape).astype("float32") for w in model.get_weights()])
        shape = (2, 5) if make is stacked else (2, 5, 3)
        x = rng.integers(0, 7, shape) if make is stacked else rng.normal(size=shape).astype("float32")
        results |= {f"{name}|x": x, f"{name}|y": model(x).detach().numpy()}
        for ending in ("keras", "h5"):
            model.save(FOLDER / f"keras_{name}.{ending}")
    np.savez_compressed(FOLDER / "keras_models.npz", **results)
    print(list(results), keras.__version__)
