# SPDX-License-Identifier: Apache-2.0
"""Writes arrays by the libraries that others use, and the samples that ebb should read from them.

  write_arrays.py FOLDER

FOLDER/train.expected and test.expected have the images as uint8 [N, C, H, W], and then the labels as int64. Every other
name is a source with these samples. Exit code 77 if a library is missing.
"""

import io
import pathlib
import sys
import zipfile

try:
    import numpy as np
    import safetensors.numpy
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def split(count, seed):
    draws = np.random.default_rng(seed)
    return draws.integers(0, 256, (count, 3, 6, 7), np.uint8), draws.integers(0, 10, count, np.int64)


def npy(array, version):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def main(folder):
    sets = {"train": split(40, 1), "test": split(9, 2)}
    for name, (images, labels) in sets.items():
        (folder / f"{name}.expected").write_bytes(images.tobytes() + labels.tobytes())
    (x, y), (tx, ty) = sets["train"], sets["test"]
    last = {"train": x.transpose(0, 2, 3, 1).copy(), "test": tx.transpose(0, 2, 3, 1).copy()}

    np.savez(folder / "keras.npz", x_train=x, y_train=y.astype(np.uint8), x_test=tx, y_test=ty.astype(np.uint8))
    np.savez_compressed(folder / "deflated.npz", x_train=x, y_train=y.astype("<i4"), x_test=tx, y_test=ty.astype("<i4"), more=np.arange(3.0))
    # The form of MedMNIST: channels last, labels in a column, another split that is not read.
    np.savez_compressed(
        folder / "medmnist.npz",
        train_images=last["train"],
        train_labels=y[:, None].astype(np.uint8),
        val_images=last["test"][:2],
        val_labels=ty[:2, None],
        test_images=last["test"],
        test_labels=ty[:, None].astype(np.uint8),
    )
    safetensors.numpy.save_file({"images_train": x, "labels_train": y, "images_test": tx, "labels_test": ty}, folder / "one.safetensors")

    for name, versions in {"npy1": (1, 0), "npy2": (2, 0), "npy3": (3, 0)}.items():
        (folder / name).mkdir()
        for split_name, (images, labels) in sets.items():
            (folder / name / f"{split_name}.npy").write_bytes(npy(images, versions))
            (folder / name / f"{split_name}_labels.npy").write_bytes(npy(labels.astype(">i2"), versions))
    (folder / "folders").mkdir()
    for split_name, (_, labels) in sets.items():
        (folder / "folders" / split_name).mkdir()
        np.save(folder / "folders" / split_name / "images.npy", last[split_name])
        np.save(folder / "folders" / split_name / "labels.npy", labels.astype(np.int8))
    (folder / "files").mkdir()
    for split_name, (images, labels) in sets.items():
        np.savez(folder / "files" / f"{split_name}.npz", images, labels)  # arr_0, arr_1
    (folder / "tensors").mkdir()
    for split_name, (_, labels) in sets.items():
        safetensors.numpy.save_file({"image": last[split_name], "label": labels.astype(np.uint64)}, folder / "tensors" / f"{split_name}.safetensors")
    # As another program may write an .npz: entries of sizes that follow their contents, one after a folder.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "arrays")
        for split_name, (images, labels) in sets.items():
            with archive.open(f"X_{split_name}.npy", "w", force_zip64=True) as entry:
                entry.write(npy(images, (1, 0)))
            archive.writestr(f"Y_{split_name}.npy", npy(labels, (1, 0)), zipfile.ZIP_STORED)
    (folder / "zipfile.npz").write_bytes(stream.getvalue())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
