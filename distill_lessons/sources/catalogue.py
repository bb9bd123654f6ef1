"""The sources of the course. A new one is an entry here and a reader.

The thresholds were fixed before any student was trained: what a sound net reaches on that source in
the cpu profile.
"""

from __future__ import annotations

from distill_lessons.sources import readers
from distill_lessons.sources.record import Download, File, Source

_DIGITS = tuple("0123456789")

DIGITS = Source(
    name="digits",
    reader=readers.digits,
    classes=_DIGITS,
    shape=(1, 8, 8),
    images=(1797, 0),
    threshold=0.06,
    reference="E. Alpaydin and C. Kaynak (1998), UCI",
    place="inside scikit-learn",
)

MNIST = Source(
    name="mnist",
    reader=readers.idx,
    classes=_DIGITS,
    shape=(1, 28, 28),
    images=(60_000, 10_000),
    threshold=0.20,
    reference="Y. LeCun, C. Cortes and C. Burges (1998)",
    megabytes=12,
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    downloads=tuple(
        Download(f"{name}.gz", (File(f"MNIST/raw/{name}", md5),))
        for name, md5 in (
            ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
            ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
            ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
            ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
        )
    ),
)

FASHION_MNIST = Source(
    name="fashion_mnist",
    reader=readers.idx,
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    shape=(1, 28, 28),
    images=(60_000, 10_000),
    threshold=0.50,
    reference="H. Xiao, K. Rasul and R. Vollgraf (2017), arXiv:1708.07747",
    megabytes=31,
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    downloads=tuple(
        Download(f"{name}.gz", (File(f"FashionMNIST/raw/{name}", md5),))
        for name, md5 in (
            ("train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
            ("train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9"),
            ("t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a"),
            ("t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965"),
        )
    ),
)

KMNIST = Source(
    name="kmnist",
    reader=readers.idx,
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    shape=(1, 28, 28),
    images=(60_000, 10_000),
    threshold=0.50,
    reference="T. Clanuwat and others (2018), arXiv:1812.01718",
    megabytes=22,
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    # Only the hashes of the packed files are published, so those are what is kept and read.
    downloads=tuple(
        Download(name, (File(f"KMNIST/raw/{name}", md5),))
        for name, md5 in (
            ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
            ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
            ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
            ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
        )
    ),
)

CIFAR10 = Source(
    name="cifar10",
    reader=readers.cifar,
    classes=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    shape=(3, 32, 32),
    images=(50_000, 10_000),
    threshold=1.60,
    reference="A. Krizhevsky (2009), Learning multiple layers of features from tiny images",
    megabytes=171,
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    downloads=(
        Download(
            "cifar-10-python.tar.gz",
            tuple(
                File(f"cifar-10-batches-py/{name}", md5)
                for name, md5 in (
                    ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
                    ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
                    ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
                    ("data_batch_4", "634d18415352ddfa80567beed471001a"),
                    ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
                    ("test_batch", "40351d587109b95175f43aff81a1287e"),
                )
            ),
        ),
    ),
)

SOURCES: dict[str, Source] = {
    source.name: source for source in (DIGITS, MNIST, FASHION_MNIST, KMNIST, CIFAR10)
}
