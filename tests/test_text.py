"""Phrases, tokens, the encoder and the GRU against torch's, students that count letters."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import shap
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from distill_lessons import evaluation, models, text, training
from distill_lessons.data import Split
from distill_lessons.fast import stacking
from distill_lessons.text import grams, names, pieces
from distill_lessons.text.nets import Attention, Encoder, Layer, Recurrent

B, L, W, HEADS = 5, 7, 12, 3
G = torch.Generator().manual_seed(0)
H = torch.randn(B, L, W, generator=G)
MASK = torch.arange(L) < torch.tensor([7, 1, 3, 6, 2])[:, None]


@pytest.fixture(scope="module")
def corpus() -> text.Corpus:
    return text.load(["de", "nl", "fi", "da"], size=300)


# ---- Phrases -------------------------------------------------------------------------------------


def test_each_phrase_is_there_once_and_belongs_to_one_language() -> None:
    found, labels = names.phrases()
    assert found == sorted(set(found))
    assert len(found) > 8000
    assert set(labels) == set(range(len(names.LANGUAGES)))
    assert min(map(labels.count, set(labels))) > 200
    assert all(names.clean(one) == one and 3 <= len(one) <= 24 for one in found)


def test_a_spelling_that_two_languages_share_is_in_neither() -> None:
    with_finnish, _ = names.phrases(["de", "fi"])
    with_dutch, _ = names.phrases(["de", "nl"])
    assert "portugal" in with_finnish  # Finnish: portugali
    assert "portugal" not in with_dutch


def test_the_splits_share_no_phrase(corpus: text.Corpus) -> None:
    sizes = [len(s) for s in (corpus.data.train, corpus.data.valid, corpus.data.test)]
    assert sum(sizes) == len(corpus.texts) == len(set(corpus.texts))
    again, _ = corpus.vocabulary.encode(corpus.texts, corpus.longest)
    pool = torch.cat([corpus.data.train.x, corpus.data.valid.x, corpus.data.test.x])
    assert torch.equal(again, pool)  # texts and tokens stand in one order


def test_the_same_seed_splits_alike_and_another_does_not(corpus: text.Corpus) -> None:
    again = text.load(["de", "nl", "fi", "da"], size=300)
    other = text.load(["de", "nl", "fi", "da"], size=300, seed=1)
    assert again.texts == corpus.texts
    assert sorted(other.texts) == sorted(corpus.texts)
    assert other.texts != corpus.texts


# ---- Tokens --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text("abñ ", min_size=1, max_size=12).filter(names.clean))
def test_tokens_spell_the_phrase(phrase: str) -> None:
    vocabulary = pieces.learn(["abba", "baab", "ññab"], 6)
    spelled = [vocabulary.pieces[token] for token in vocabulary.tokens(phrase)]
    letters = set("".join(spelled)) - {"#"}
    if "[UNK]" not in spelled:
        joined = "".join(" " + p if not p.startswith("##") else p[2:] for p in spelled)
        assert joined.strip() == names.clean(phrase)
        assert letters <= set("abñ")


def test_tokens_are_those_of_berts_own_tokenizer(tmp_path: object) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    vocabulary = pieces.learn(names.phrases(["de", "fi"])[0], 300)
    file = f"{tmp_path}/vocab.txt"
    with open(file, "w", encoding="utf-8") as sink:  # noqa: PTH123
        sink.write("\n".join((*vocabulary.pieces, "[CLS]", "[SEP]")))
    theirs = transformers.BertTokenizer(
        vocab={piece: i for i, piece in enumerate((*vocabulary.pieces, "[CLS]", "[SEP]"))},
        strip_accents=False,
    )
    for phrase in names.phrases(["de", "fi"])[0][::50]:
        assert theirs(phrase)["input_ids"][1:-1] == vocabulary.tokens(phrase)


def test_a_phrase_longer_than_the_table_is_refused() -> None:
    vocabulary = pieces.learn(["ab"], 1)
    with pytest.raises(ValueError, match=r"texts\[1\]='a a a' has 3 tokens, more than longest=2"):
        vocabulary.encode(["ab", "a a a"], 2)
    net = text.encoder(9, 2, 3, width=8, heads=2)
    with pytest.raises(ValueError, match="phrases of 3 tokens, but the encoder's table of places"):
        net(torch.ones(1, 3, dtype=torch.int64))


def test_a_vocabulary_that_is_none_is_refused() -> None:
    for bad, words in (
        (("a", "b"), "pieces must begin with"),
        ((*text.SPECIAL, "a", "a"), "pieces holds 'a' twice"),
    ):
        with pytest.raises(ValueError, match=words):
            text.Vocabulary(bad)
    with pytest.raises(TypeError, match="pieces is list; give a tuple"):
        text.Vocabulary(["a"])  # type: ignore[arg-type]


# ---- The nets ------------------------------------------------------------------------------------


def attention() -> tuple[Attention, nn.MultiheadAttention]:
    """Return our attention and torch's with the same weights."""
    ours = models.seeded(lambda: Attention(W, HEADS), 1)
    theirs = nn.MultiheadAttention(W, HEADS, batch_first=True)
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
    return ours, theirs


def test_attention_is_torchs() -> None:
    ours, theirs = attention()
    expected, weights = theirs(H, H, H, key_padding_mask=~MASK, average_attn_weights=False)
    torch.testing.assert_close(ours(H, MASK), expected)
    torch.testing.assert_close(ours.weights(H, MASK), weights)


def test_a_layer_is_torchs() -> None:
    ours = models.seeded(lambda: Layer(W, HEADS), 2)
    theirs = nn.TransformerEncoderLayer(W, HEADS, 2 * W, 0.0, activation="gelu", batch_first=True)
    mine, reference = ours.attention, theirs.self_attn
    parts = (mine.query, mine.key, mine.value)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        reference.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    reference.out_proj.load_state_dict(mine.out.state_dict())
    for a, b in (
        (theirs.linear1, ours.inner), (theirs.linear2, ours.outer),
        (theirs.norm1, ours.norm_heard), (theirs.norm2, ours.norm_thought),
    ):  # fmt: skip
        a.load_state_dict(b.state_dict())
    expected = theirs(H, src_key_padding_mask=~MASK)
    torch.testing.assert_close(ours(H, MASK)[MASK], expected[MASK])


def test_the_gru_is_torchs() -> None:
    ours: Recurrent = text.gru(20, 4, width=W, seed=3)
    theirs = nn.GRU(W, W, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.read.weight)
        theirs.bias_ih_l0.copy_(ours.read.bias)
        theirs.weight_hh_l0.copy_(ours.recall.weight)
        theirs.bias_hh_l0.copy_(ours.recall.bias)
    x = torch.randint(1, 20, (B, L), generator=G)
    torch.testing.assert_close(ours.hidden(x), theirs(ours.tokens(x))[0])


@pytest.mark.parametrize(
    "net", [text.encoder(20, L, 4, width=W, heads=HEADS), text.gru(20, 4, width=W)]
)
def test_padding_changes_no_logit(net: nn.Module) -> None:
    x = torch.randint(1, 20, (B, L), generator=G) * MASK
    z = evaluation.predict(net, x)
    torch.testing.assert_close(evaluation.predict(net, x, MASK), z)
    for row, length in enumerate(MASK.sum(1).tolist()):
        alone = evaluation.predict(net, x[row : row + 1, :length])
        torch.testing.assert_close(alone[0], z[row])
    nothing = evaluation.predict(net, torch.zeros(1, L, dtype=torch.int64))
    torch.testing.assert_close(nothing[0], net.head.bias)  # and not NaN


def test_order_counts_for_the_encoder_only_by_its_places() -> None:
    net = text.encoder(20, L, 4, width=W, heads=HEADS)
    x = torch.randint(1, 20, (B, L), generator=G)
    assert not torch.allclose(net(x), net(x.flip(1)), atol=1e-6)
    with torch.no_grad():
        net.places.weight.zero_()
    torch.testing.assert_close(net(x), net(x.flip(1)))


def test_a_stack_learns_what_each_net_learns_alone(corpus: text.Corpus) -> None:
    build = lambda s: text.encoder(len(corpus.vocabulary), 10, 4, width=8, heads=2, seed=s)  # noqa: E731
    train = corpus.data.train
    side_by_side, alone = [build(0), build(1)], [build(0), build(1)]
    stacking.fit_many(side_by_side, train, seeds=[0, 1], steps=20, lr=3e-3)
    masked = Split(train.x, train.y, text.counted(train.x))
    for seed, net in enumerate(alone):
        training.fit(net, masked, steps=20, lr=3e-3, seed=seed)
        torch.testing.assert_close(
            evaluation.predict(net, train.x), evaluation.predict(side_by_side[seed], train.x),
            atol=1e-3, rtol=1e-3,
        )  # fmt: skip


def test_an_encoder_learns_a_language_better_than_chance(corpus: text.Corpus) -> None:
    net = text.encoder(len(corpus.vocabulary), 10, 4, width=16, heads=2)
    training.fit(net, corpus.data.train, steps=80, lr=5e-3)
    learned = evaluation.evaluate(net, corpus.data.test)["accuracy"]
    untrained = text.encoder(len(corpus.vocabulary), 10, 4, width=16, heads=2)
    assert learned > evaluation.evaluate(untrained, corpus.data.test)["accuracy"] + 0.2


# ---- Hidden tokens -------------------------------------------------------------------------------


def test_pretraining_looks_at_hidden_tokens_alone() -> None:
    net = text.encoder(20, L, 4, width=8, heads=2)
    x = torch.randint(3, 20, (64, L), generator=G)
    before = net.head.weight.clone()
    unlabelled = Split(x, torch.zeros(64, dtype=torch.int64)).without_labels()
    history = training.fit(net, unlabelled, objective=text.guess_hidden(0.3), steps=30, lr=1e-2)
    losses = history.frame()["train_loss"]
    assert losses.iloc[0] > math.log(20) - 1
    assert losses.iloc[-1] < losses.iloc[0]
    assert torch.equal(before, net.head.weight)  # no label, no classifier
    with pytest.raises(TypeError, match="the model is Recurrent; pretraining needs an Encoder"):
        training.fit(text.gru(20, 4), unlabelled, objective=text.guess_hidden(), steps=1)


def test_pretraining_loss_is_the_cross_entropy_of_hidden_tokens() -> None:
    """By hand: what is hidden is drawn from the seed; the net is asked with it replaced."""
    from distill_lessons import seeds
    from distill_lessons.objectives import Batch

    net = text.encoder(20, L, 4, width=8, heads=2)
    x = torch.randint(3, 20, (B, L), generator=G) * MASK
    hidden = (torch.rand(B, L, generator=seeds.generator(5)) < 0.4) & MASK
    h = net.hidden(torch.where(hidden, pieces.HIDDEN, x), MASK)
    by_hand = [
        -(h[i, j] @ net.tokens.weight.T).log_softmax(0)[x[i, j]] for i, j in hidden.nonzero()
    ]
    batch = Batch(x, torch.zeros(B), torch.arange(B))
    found = text.guess_hidden(0.4, seed=5)(net, batch)
    torch.testing.assert_close(found, torch.stack(by_hand).mean())


def test_what_a_token_is_worth_is_what_the_net_says_without_it() -> None:
    net: Encoder = text.encoder(20, L, 4, width=W, heads=HEADS)
    x = torch.randint(1, 20, (B, L), generator=G) * MASK
    k = torch.tensor([0, 1, 2, 3, 0])
    found = text.without_each(text.logit_of(net, k), x)
    assert torch.equal(found == 0, ~MASK)
    z, fewer = net(x), net(torch.cat([x[:1, :2], x[:1, 3:]], 1), None)
    assert found.shape == (B, L)
    left = MASK[:1].clone()
    left[0, 2] = False
    fewer = net(x[:1], left)
    expected = (z[0] - z[0].mean())[0] - (fewer[0] - fewer[0].mean())[0]
    torch.testing.assert_close(found[0, 2], expected)


# ---- Letter groups -------------------------------------------------------------------------------


def test_counts_are_scikit_learns() -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    texts = names.phrases(["de", "fi"])[0][:200]
    groups = grams.most_frequent(texts, 150)
    counter = CountVectorizer(
        analyzer="char", ngram_range=(1, 3), vocabulary=list(groups), lowercase=False
    )
    expected = counter.transform([f" {one} " for one in texts]).toarray()
    assert np.array_equal(grams.counts(texts, groups).numpy(), expected)


@settings(max_examples=25, deadline=None)
@given(st.text("ab ", min_size=1, max_size=5).filter(names.clean), st.integers(0, 99))
def test_letter_shares_are_shapley_values(phrase: str, seed: int) -> None:
    """Against all orders in which letters can come; a group counts once its letters are there."""
    phrase = names.clean(phrase)
    rng = np.random.default_rng(seed)
    weights = {group: float(rng.normal()) for group, _ in grams.grams(phrase)}

    def worth(present: frozenset[int]) -> float:
        return sum(
            weights[group]
            for group, start in grams.grams(phrase)
            if all(s == " " or i in present for i, s in enumerate(group, start - 1))
        )

    players = [i for i, sign in enumerate(phrase) if sign != " "]
    values = dict.fromkeys(range(len(phrase)), 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        for n, player in enumerate(order):
            before = frozenset(order[:n])
            values[player] += (worth(before | {player}) - worth(before)) / len(orders)
    np.testing.assert_allclose(grams.letter_shares(phrase, weights), list(values.values()))


def test_letter_shares_sum_to_the_linear_students_logit() -> None:
    texts, _ = names.phrases(["de", "fi", "da"])
    groups = grams.most_frequent(texts, 200)
    x = grams.counts(texts[:50], groups)
    net = models.mlp((1, 1, 200), 3, ())
    z = evaluation.predict(net, x) - net[1].bias
    for row, k in ((3, 0), (20, 2)):
        shares = grams.letter_shares(texts[row], grams.named_weights(net[1].weight, groups, k))
        torch.testing.assert_close(torch.tensor(sum(shares)), (z[row, k] - z[row].mean()).detach())


def test_a_groups_worth_is_shaps() -> None:
    texts, _ = names.phrases(["de", "fi", "da"])
    groups = grams.most_frequent(texts, 60)
    x = grams.counts(texts[:80], groups).numpy()
    net = models.mlp((1, 1, 60), 3, ())
    weight = net[1].weight.detach().numpy()
    explainer = shap.LinearExplainer((weight[0], 0.0), np.zeros((1, 60)))
    named = grams.named_weights(net[1].weight, groups, 0)
    centred = np.array([named[group] for group in groups])
    expected = explainer.shap_values(x) - x * weight.mean(0)
    np.testing.assert_allclose(x * centred, expected, atol=1e-6)


def test_families_are_symmetric_and_no_language_is_its_own_relative() -> None:
    same = text.same_family()
    assert torch.equal(same, same.T)
    assert not same.diagonal().any()
    assert same.sum(1).min() >= 1  # every language has a relative
