"""A pretrained text model from a folder: one that is made here, and folders that are broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from distill_lessons import distillation, evaluation, models, text
from distill_lessons.data import Split
from distill_lessons.text import grams, hugging

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "an", "##na", "##n", "b", "##e", "##s")
PHRASES = ["anna", "an be", "bes bes", "be"]


@pytest.fixture(scope="module")
def transformers() -> object:
    return pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture(scope="module")
def made(transformers: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with a classifier of three languages, as its folder stands on a disk."""
    folder = tmp_path_factory.mktemp("bert")
    config = transformers.BertConfig(  # type: ignore[attr-defined]
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=8, num_labels=3,
        id2label={0: "de", 1: "nl", 2: "fi"}, label2id={"de": 0, "nl": 1, "fi": 2},
    )  # fmt: skip
    net = models.seeded(lambda: transformers.BertForSequenceClassification(config), 0)  # type: ignore[attr-defined]
    net.save_pretrained(folder)
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)  # type: ignore[attr-defined]
    return folder


def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_folder_answers_as_transformers_does(made: Path, transformers: object) -> None:
    teacher = text.load_hf(made)
    assert (teacher.classes, teacher.longest) == (("de", "nl", "fi"), 8)
    x, mask = teacher.encode(PHRASES)
    theirs = transformers.BertForSequenceClassification.from_pretrained(made).eval()  # type: ignore[attr-defined]
    tokenizer = transformers.AutoTokenizer.from_pretrained(made)  # type: ignore[attr-defined]
    batch = tokenizer(PHRASES, padding=True, return_tensors="pt")
    assert torch.equal(x, batch["input_ids"])
    with torch.no_grad():
        expected = theirs(**batch).logits
    z = distillation.teacher_logits(teacher, x, mask)
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(evaluation.predict(teacher, x), expected)  # finds the mask itself


def test_a_student_learns_from_it(made: Path) -> None:
    teacher = text.load_hf(made)
    z = 20 * distillation.teacher_logits(teacher, *teacher.encode(PHRASES))
    counts = grams.counts(PHRASES, grams.most_frequent(PHRASES, 30))
    student = models.mlp((1, 1, counts.shape[1]), 3, ())
    transfer = Split(counts, torch.zeros(len(PHRASES), dtype=torch.int64)).without_labels()
    distillation.distill(student, transfer, z, T=1.0, steps=200, lr=0.05)
    learned = evaluation.predict(student, counts)
    torch.testing.assert_close(learned.softmax(1), z.softmax(1), atol=0.02, rtol=0)


def test_a_net_without_a_classifier_gets_a_new_one(
    made: Path, tmp_path: Path, transformers: object
) -> None:
    folder = copied(made, tmp_path)
    bare = transformers.BertModel.from_pretrained(made)  # type: ignore[attr-defined]
    bare.save_pretrained(folder)
    x, mask = text.load_hf(folder, n_classes=5).encode(["anna"])
    first, again, other = (
        evaluation.predict(text.load_hf(folder, n_classes=5, seed=seed), x, mask)
        for seed in (0, 0, 1)
    )
    assert first.shape == (1, 5)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with pytest.raises(ValueError, match=r"do not fit config.json: .*classifier.*needs n_classes="):
        text.load_hf(folder)


def test_weights_that_do_not_fit_the_configuration_are_refused(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for change in ({"intermediate_size": 64}, {"num_hidden_layers": 3}, {"num_labels": 4}):
        both = config | change
        if "num_labels" in change:
            both |= {"id2label": {str(k): str(k) for k in range(4)}, "label2id": {}}
        (folder / "config.json").write_text(json.dumps(both), encoding="utf-8")
        with pytest.raises(ValueError, match=r"the weights in .* (do not fit|cannot be loaded)"):
            text.load_hf(folder)


def test_a_broken_weights_file_is_refused(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be loaded as config.json describes them"):
        text.load_hf(folder)


def test_an_unknown_token_file_is_refused(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)
    (folder / "tokens.bin").write_bytes(b"?")
    with pytest.raises(FileNotFoundError, match=r"lacks tokenizer.json or vocab.txt"):
        text.load_hf(folder)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="is of no kind that transformers reads"):
        text.load_hf(folder)


def test_token_files_of_another_model_are_refused(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    import transformers

    vocabulary = {word: i for i, word in enumerate((*WORDS, "c", "d"))}
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    with pytest.raises(ValueError, match="holds 13 tokens, the net knows 11"):
        text.load_hf(folder)


def test_a_phrase_longer_than_the_table_of_places_is_refused(made: Path) -> None:
    teacher = text.load_hf(made)
    with pytest.raises(ValueError, match=r"'an an an an an an an' has 9 tokens, .* has 8; cut it"):
        teacher.encode(["an", " ".join(["an"] * 7)])


# ---- Without transformers ------------------------------------------------------------------------


def test_what_is_missing_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder on this machine"):
        text.load_hf(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"lacks config\.json"):
        text.load_hf(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"lacks model\.safetensors"):
        text.load_hf(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "vocab.txt").write_text("a", encoding="utf-8")
    with pytest.raises(ValueError, match=r"config\.json' is no configuration of a model"):
        text.load_hf(tmp_path)


def test_without_transformers_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (
        ("config.json", '{"model_type": "bert"}'), ("model.safetensors", ""), ("vocab.txt", "a"),
    ):  # fmt: skip
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(hugging, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install \"distill-lessons\[models\]\""):
        text.load_hf(tmp_path)
