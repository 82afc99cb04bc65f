# SPDX-License-Identifier: Apache-2.0
"""The Y-Decoder against sums in numpy, as a graph, and in a model directory."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="towers come from transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from support.tiny_model import TINY_DEFAULT, tiny_model, tokenizer_file  # noqa: E402
from vljepa_ros.model.checkpoints.overview import overview  # noqa: E402
from vljepa_ros.model.checkpoints.tensors import CheckpointError  # noqa: E402
from vljepa_ros.model.directory import open_directory, save_model  # noqa: E402
from vljepa_ros.model.verification import verify_model  # noqa: E402
from vljepa_ros.model.y_decoder import YDecoder, YDecoderConfig  # noqa: E402
from vljepa_ros.model.y_decoder_files import load_decoder, save_decoder  # noqa: E402

CONFIG = YDecoderConfig(
    embedding=12, width=16, longest=6, words=(" a", " cup", " door", " is", " open", ",")
)


def random_decoder(config: YDecoderConfig = CONFIG, seed: int = 0) -> YDecoder:
    """Return a decoder whose weights are so large that it is sure of its words."""
    torch.manual_seed(seed)
    decoder = YDecoder(config).eval()
    for value in decoder.parameters():
        torch.nn.init.normal_(value, std=0.7)
    with torch.no_grad():
        decoder.next.bias[0] += 2  # some sentences end before they are cut off
    return decoder


def some_embeddings(count: int = 40):
    torch.manual_seed(1)
    return torch.nn.functional.normalize(torch.randn(count, CONFIG.embedding), dim=-1)


class InNumpy:
    """The decoder's formulas (Cho et al. 2014, with the reset gate after the product)."""

    def __init__(self, decoder: YDecoder) -> None:
        self.weights = {n: v.double().numpy() for n, v in decoder.state_dict().items()}

    def affine(self, name: str, x, suffix: str = ""):
        return self.weights[f"{name}weight{suffix}"] @ x + self.weights[f"{name}bias{suffix}"]

    def step(self, word: int, meaning, state):
        """Return the probabilities of the next word, and the next state."""
        x = self.weights["before.weight"][word] + meaning
        inputs = np.split(self.affine("cell.", x, "_ih"), 3)
        hidden = np.split(self.affine("cell.", state, "_hh"), 3)
        reset, update = (1 / (1 + np.exp(-inputs[i] - hidden[i])) for i in (0, 1))
        new = np.tanh(inputs[2] + reset * hidden[2])
        state = (1 - update) * new + update * state
        powers = np.exp(self.affine("next.", state))
        return powers / powers.sum(), state

    def greedy_decode(self, embedding, longest: int):
        """Return the words up to the end, and their probability."""
        meaning = self.affine("meaning.", embedding)
        state, spoken, probability = np.tanh(meaning), [], 1.0
        while len(spoken) < longest and (not spoken or spoken[-1] != 0):
            chances, state = self.step(spoken[-1] if spoken else 0, meaning, state)
            word = int(chances.argmax()) if spoken else 1 + int(chances[1:].argmax())
            probability *= chances[word]
            spoken.append(word)
        return spoken + [0] * (longest - len(spoken)), probability


@torch.no_grad()
def test_it_says_what_a_plain_loop_says() -> None:
    decoder, embeddings = random_decoder(), some_embeddings()
    words, probabilities = decoder.greedy_decode(embeddings)
    assert words.shape == (40, 6) and words.dtype == torch.int64
    plain = InNumpy(decoder)
    for row, probability, embedding in zip(words, probabilities, embeddings, strict=True):
        expected, true = plain.greedy_decode(embedding.double().numpy(), CONFIG.longest)
        assert row.tolist() == expected
        assert probability.item() == pytest.approx(true, rel=1e-4)
    lengths = (words != 0).sum(1)
    assert 1 in lengths.tolist() and CONFIG.longest in lengths.tolist(), "short and cut off ones"


@torch.no_grad()
def test_training_sees_the_chances_of_speaking() -> None:
    decoder, embeddings = random_decoder(), some_embeddings()
    words, probabilities = decoder.greedy_decode(embeddings)
    chances = decoder(embeddings, words).softmax(-1).gather(-1, words[..., None])[..., 0]
    for row, chance, probability in zip(words, chances, probabilities, strict=True):
        said = min(CONFIG.longest, int((row != 0).sum()) + 1)  # with the end, if it came
        assert chance[:said].prod().item() == pytest.approx(probability.item(), rel=1e-4)


def test_the_words_are_put_together() -> None:
    decoder = random_decoder()
    spoken = decoder.sentences(some_embeddings(3))
    words = decoder.greedy_decode(some_embeddings(3))[0].tolist()
    for text, row in zip(spoken, words, strict=True):
        assert text == "".join(CONFIG.words[word - 1] for word in row if word).strip()


@torch.no_grad()
def test_the_graph_says_the_same(tmp_path) -> None:
    pytest.importorskip("onnxscript", reason="the export needs onnxscript")
    import onnx
    import onnxruntime

    from vljepa_ros.model.export.graphs import y_decoder_graph
    from vljepa_ros.model.export.onnx_file import OPSET, write_graph

    decoder, file = random_decoder(), tmp_path / "y_decoder.onnx"
    write_graph(y_decoder_graph(decoder), file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    words, probabilities = decoder.greedy_decode(some_embeddings())
    for i, embedding in enumerate(some_embeddings().numpy()):
        said, probability = session.run(["words", "probability"], {"embedding": embedding[None]})
        assert said.dtype == np.int64 and said.tolist() == [words[i].tolist()]
        assert probability == pytest.approx([probabilities[i].item()], rel=1e-4)
    model = onnx.load(str(file))
    assert [each.version for each in model.opset_import if each.domain == ""] == [OPSET]
    assert not {"Loop", "Scan", "GRU"} & {node.op_type for node in model.graph.node}
    stored = sum(np.prod(each.dims) for each in model.graph.initializer)
    assert stored < 1.1 * sum(value.numel() for value in decoder.parameters())


@torch.no_grad()
def test_a_graph_that_says_something_else_is_not_exported(tmp_path) -> None:
    pytest.importorskip("onnxscript", reason="the export needs onnxscript")
    from support.tiny_model import contents, random_clips
    from vljepa_ros.model.export.export_error import ExportError
    from vljepa_ros.model.export.graphs import y_decoder_graph
    from vljepa_ros.model.export.onnx_file import write_graph
    from vljepa_ros.model.export.parity import Parity

    written = random_decoder(replace(CONFIG, longest=2))
    write_graph(y_decoder_graph(written), tmp_path / "y_decoder.onnx")
    given, clips = contents(TINY_DEFAULT, tmp_path), random_clips(TINY_DEFAULT)
    parity = Parity(tmp_path, tiny_model(TINY_DEFAULT), None, given, clips)
    parity._decode(written, some_embeddings().numpy())
    assert 0 <= parity.errors["y_decoder"] < 1e-4
    with pytest.raises(ExportError, match="says other words than torch"):
        parity._decode(random_decoder(written.config, seed=1), some_embeddings().numpy())
    with torch.no_grad():
        written.next.bias[1:] += 0.1  # hardly ever another word, but other probabilities
    with pytest.raises(ExportError, match="y_decoder differs from torch"):
        parity._decode(written, some_embeddings(3).numpy())


@pytest.fixture
def folder(tmp_path):
    """Return a model directory with a decoder."""
    save_model(
        tmp_path / "model",
        tiny_model(TINY_DEFAULT),
        licences={"all": "MIT"},
        text_tokenizer=tokenizer_file(tmp_path),
    )
    save_decoder(tmp_path / "model", random_decoder())
    return tmp_path / "model"


def test_a_decoder_that_was_read_says_what_it_did(folder) -> None:
    config = open_directory(folder).decoder
    assert config == CONFIG
    found = load_decoder(folder, config)
    assert not found.training
    for a, b in zip(
        found.greedy_decode(some_embeddings()),
        random_decoder().greedy_decode(some_embeddings()),
        strict=True,
    ):
        assert torch.equal(a, b)
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_it_is_shown_and_verified(folder) -> None:
    shown = overview(folder)
    assert shown.dimensions["y_decoder.width"] == 16 and shown.dimensions["y_decoder.words"] == 6
    group = shown.groups[-1]
    assert group.name == "y_decoder"
    assert group.parameters == sum(value.numel() for value in random_decoder().parameters())
    assert list(verify_model(folder))[-1].startswith("the Y-Decoder has 6 words, and")


def test_another_decoder_takes_its_place_and_a_new_model_has_none(folder, tmp_path) -> None:
    other = random_decoder(replace(CONFIG, width=8))
    save_decoder(folder, other)
    assert load_decoder(folder, other.config).config.width == 8
    save_model(
        folder,
        tiny_model(TINY_DEFAULT),
        licences={},
        text_tokenizer=tokenizer_file(tmp_path),
    )
    assert open_directory(folder).decoder is None
    assert not list(folder.glob("y_decoder*"))


def test_a_full_disk_leaves_the_old_decoder(folder, monkeypatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_decoder(folder, random_decoder(replace(CONFIG, width=8)))
    assert load_decoder(folder, open_directory(folder).decoder).config == CONFIG
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("lost", ["y_decoder.json", "y_decoder.safetensors"])
def test_one_of_its_files_alone_is_refused(folder, lost) -> None:
    (folder / lost).unlink()
    with pytest.raises(CheckpointError, match=r"lies alone.+train the decoder again"):
        open_directory(folder)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"embedding": 13}, "for embeddings of 13, the model's have 12"),
        ({"width": 0}, "width must be a whole number of at least 1"),
        ({"words": [" a", ""]}, "words must be a list of texts"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused(folder, changes, cause) -> None:
    values = CONFIG.to_dict() | changes
    (folder / "y_decoder.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=f"{cause}.*train the decoder again"):
        open_directory(folder)


def test_weights_that_do_not_fit_are_refused(folder) -> None:
    config = replace(CONFIG, words=CONFIG.words[:-1])
    with pytest.raises(CheckpointError, match=r"y_decoder\.safetensors does not fit, 3 tensors"):
        load_decoder(folder, config)
    tensors = load_file(folder / "y_decoder.safetensors")
    tensors["next.bias"][0] = torch.nan
    save_file(tensors, folder / "y_decoder.safetensors")
    with pytest.raises(CheckpointError, match=r"y_decoder\.safetensors: not finite: next\.bias"):
        list(verify_model(folder))
