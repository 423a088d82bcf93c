"""What a real TensorFlow does with checkpoints of ALBERT; run by the Python of the environment that has it.

``program.py write LAYOUT CONFIG FOLDER``    write a checkpoint of random values, and what TensorFlow reads from it
``program.py read PREFIX FILE.npz``          write all variables of a checkpoint as arrays
``program.py restore PREFIX FILE.npz``       restore the variables of a graph by name, as TensorFlow 1 does
``program.py encode PREFIX CONFIG FILE.npz`` restore the model garden's encoder and write its outputs
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
DEVICES = ("/cpu:0", "/cpu:1")


def read(prefix: str) -> dict[str, np.ndarray]:
    """Return every variable of a checkpoint; 16-bit values become float32, strings are left out."""
    reader = tf.train.load_checkpoint(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    names = [name for name, dtype in dtypes.items() if dtype != tf.string]
    return {
        name: np.asarray(reader.get_tensor(name), np.float32 if dtypes[name].is_floating else None) for name in names
    }


def save_graph(
    prefix: str,
    values: Mapping[str, np.ndarray],
    *,
    dtype: tf.DType = tf.float32,
    slots: str = "",
    sharded: bool = False,
) -> None:
    """Save variables with the Saver of TensorFlow 1.

    Args:
        prefix: Where to.
        values: Variables by name.
        dtype: Their type in the file.
        slots: ``adam`` for those of TensorFlow's Adam after one step, ``google`` for the names of Google's optimizers.
        sharded: Whether to save one file for each of two devices.
    """
    with v1.Graph().as_default():
        variables = []
        for number, (name, array) in enumerate(sorted(values.items())):
            with tf.device(DEVICES[number % 2 if sharded else 0]):
                initial = v1.constant_initializer(array)
                variables.append(v1.get_variable(name, array.shape, dtype, initial))
                if slots == "google":
                    for slot in ("adam_m", "adam_v"):
                        v1.get_variable(f"{name}/{slot}", array.shape, dtype, v1.zeros_initializer())
        step = v1.train.get_or_create_global_step()
        train = step
        if slots == "adam":
            loss = tf.add_n([tf.reduce_sum(variable * variable) for variable in variables])
            train = v1.train.AdamOptimizer(1e-3).minimize(loss, global_step=step)
        with v1.Session(config=v1.ConfigProto(device_count={"CPU": 2})) as session:
            session.run(v1.global_variables_initializer())
            session.run(train)
            # Google's files hold no tree of objects, and a collection of all variables.
            v1.train.Saver(v1.global_variables(), sharded=sharded).save(session, prefix, global_step=step)


def encoder(config: Mapping[str, Any]) -> Any:
    """Return the model garden's encoder of this shape."""
    from official.nlp.modeling.networks.albert_encoder import AlbertEncoder

    return AlbertEncoder(
        vocab_size=config["vocab_size"], embedding_width=config["embedding_size"], hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"], num_attention_heads=config["num_attention_heads"],
        max_sequence_length=config["max_position_embeddings"], type_vocab_size=config["type_vocab_size"],
        intermediate_size=config["intermediate_size"], dict_outputs=True,
    )  # fmt: skip


def encode(model: Any, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what the model garden's encoder computes without dropout."""
    ids, mask, segments = layouts.random_batch(config)
    found = model([ids, mask, segments], training=False)
    return {"last hidden state": found["sequence_output"].numpy(), "pooled": found["pooled_output"].numpy()}


def save_encoder(prefix: str, config: Mapping[str, Any], *, trained: bool = False) -> None:
    """Save the model garden's encoder as a tree of objects, and its outputs beside it."""
    model = encoder(config)
    random = np.random.RandomState(3)
    for variable in model.variables:
        variable.assign_add(0.03 * random.standard_normal(variable.shape).astype(np.float32))
    checkpoint = tf.train.Checkpoint(model=model)
    if trained:
        import tf_keras

        optimizer = tf_keras.optimizers.Adam(1e-3)
        with tf.GradientTape() as tape:
            found = model(list(layouts.random_batch(config)))
            loss = tf.reduce_sum(found["pooled_output"] ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        pairs = zip(gradients, model.trainable_variables, strict=True)
        optimizer.apply_gradients((gradient, variable) for gradient, variable in pairs if gradient is not None)
        checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    checkpoint.save(prefix)
    np.savez(Path(prefix).parent / "outputs.npz", **encode(model, config))


def write(layout: str, config: Mapping[str, Any], folder: Path) -> None:
    """Write a checkpoint of a layout, and ``values.npz`` with what TensorFlow itself reads from it."""
    prefix = str(folder / "model.ckpt")
    save: dict[str, Callable[[], None]] = {
        "google": lambda: save_graph(prefix, layouts.random_values(layouts.google(config))),
        "google classes": lambda: save_graph(prefix, layouts.random_values(layouts.google(config, "classes"))),
        "google answers": lambda: save_graph(prefix, layouts.random_values(layouts.google(config, "answers"))),
        "google adam": lambda: save_graph(prefix, layouts.random_values(layouts.google(config)), slots="adam"),
        "google slots": lambda: save_graph(prefix, layouts.random_values(layouts.google(config)), slots="google"),
        "google shards": lambda: save_graph(prefix, layouts.random_values(layouts.google(config)), sharded=True),
        "google half": lambda: save_graph(prefix, layouts.random_values(layouts.google(config)), dtype=tf.float16),
        "google bfloat": lambda: save_graph(prefix, layouts.random_values(layouts.google(config)), dtype=tf.bfloat16),
        "hub": lambda: save_graph(prefix, layouts.random_values(layouts.hub(config))),
        "own norms": lambda: save_graph(prefix, layouts.random_values(layouts.own_norms(config))),
        "brightmart": lambda: save_graph(prefix, layouts.random_values(layouts.brightmart(config))),
        "garden": lambda: save_encoder(prefix, config),
        "garden trained": lambda: save_encoder(prefix, config, trained=True),
    }
    folder.mkdir(parents=True)
    (folder / "albert_config.json").write_text(json.dumps(config))
    save[layout]()
    latest = tf.train.latest_checkpoint(folder)
    np.savez(folder / "values.npz", **read(latest))


def restore(prefix: str) -> dict[str, np.ndarray]:
    """Restore a graph's variables by name and return them."""
    expected = read(prefix)
    with v1.Graph().as_default(), v1.Session() as session:
        variables = {name: v1.get_variable(name, array.shape) for name, array in expected.items()}
        v1.train.Saver(variables).restore(session, prefix)
        return session.run(variables)


def restored_encoder(prefix: str, config: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the outputs of the model garden's encoder with the variables of a checkpoint; none may be missing."""
    model = encoder(config)
    tf.train.Checkpoint(model=model).restore(prefix).assert_existing_objects_matched()
    return encode(model, config)


def main(words: list[str]) -> int:
    """Do what the words say."""
    command, *rest = words
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * len(DEVICES)
    )
    if command == "write":
        config = json.loads(Path(rest[-2]).read_text())
        for layout in rest[0].split(","):
            write(layout, config, Path(rest[-1]) / layout)
    elif command == "encode":
        np.savez(rest[2], **restored_encoder(rest[0], json.loads(Path(rest[1]).read_text())))
    else:
        for prefix, target in zip(rest[::2], rest[1::2], strict=True):
            np.savez(target, **{"read": read, "restore": restore}[command](prefix))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
