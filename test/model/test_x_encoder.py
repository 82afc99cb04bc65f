# SPDX-License-Identifier: Apache-2.0
"""The X-Encoder against transformers' V-JEPA 2, and what V-JEPA 2.1 does otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="the reference comes from transformers")

from support.public_models import NEWER_VISION, VISION, newer_tensors, vision_model  # noqa: E402
from vljepa_ros.model.checkpoints.v_jepa_official import read_v_jepa_file  # noqa: E402
from vljepa_ros.model.checkpoints.v_jepa_transformers import read_v_jepa_directory  # noqa: E402
from vljepa_ros.model.x_encoder import TokenMask, XEncoder  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vjepa2")
    vision_model().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    encoder = XEncoder(VISION).eval()
    read_v_jepa_directory(folder).fill(encoder)
    return encoder


@torch.no_grad()
def reference(clip, crop=32):
    return vision_model(crop)(clip, skip_predictor=True).last_hidden_state


@pytest.mark.parametrize("frames", [8, 2, 1])
@torch.no_grad()
def test_it_equals_transformers(encoder, frames):
    torch.manual_seed(0)
    clip = torch.randn(2, frames, 3, 32, 32)
    torch.testing.assert_close(encoder(clip), reference(clip), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frames_of_another_size_get_positions_of_their_own(encoder):
    torch.manual_seed(0)
    clip = torch.randn(1, 4, 3, 48, 48)
    expected = reference(clip, crop=48)
    torch.testing.assert_close(encoder(clip), expected, atol=1e-5, rtol=1e-5)
    assert (reference(clip, crop=32) - expected).abs().max() > 1e-2


@torch.no_grad()
def test_an_image_is_a_clip_that_stands_still(encoder):
    image = torch.randn(1, 1, 3, 32, 32)
    torch.testing.assert_close(encoder(image), encoder(image.expand(-1, 2, -1, -1, -1)))


@torch.no_grad()
def test_all_tokens_kept_are_the_full_set(encoder):
    clip = torch.randn(2, 4, 3, 32, 32)
    everything = TokenMask(torch.arange(32).expand(2, -1), 32)
    torch.testing.assert_close(encoder(clip, everything), encoder(clip), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_order_in_which_tokens_are_kept_does_not_matter(encoder):
    clip = torch.randn(1, 4, 3, 32, 32)
    order = torch.randperm(32)[:20]
    straight = encoder(clip, TokenMask(order.sort().values[None], 32))
    mixed = encoder(clip, TokenMask(order[None], 32))
    torch.testing.assert_close(mixed, straight[:, order.argsort().argsort()], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (4, 3, 32, 30), (4, 1, 32, 32)])
def test_a_clip_that_is_not_made_of_whole_patches_is_refused(encoder, shape):
    with pytest.raises(ValueError, match="is not made of tubelets of 2 frames"):
        encoder(torch.randn(1, *shape))


@torch.no_grad()
def test_motion_is_the_same_map_in_another_basis():
    torch.manual_seed(0)
    config = replace(VISION, motion=True, tubelet=4)
    moving, plain = XEncoder(config), XEncoder(replace(config, motion=False))
    plain.load_state_dict(moving.state_dict())
    embedding = plain.embedding
    embedding.weight.copy_(
        torch.einsum("dckhw,kt->dcthw", embedding.weight, moving.embedding.basis)
    )
    clip = torch.randn(1, 4, 3, 32, 32)
    torch.testing.assert_close(moving(clip), plain(clip), atol=1e-5, rtol=1e-5)
    still = clip[:, :1].expand(-1, 4, -1, -1, -1)
    weight, basis = moving.embedding.weight, moving.embedding.basis
    assert basis.sum(1).tolist() == [1, 0, 0, 0]  # a clip that stands still has no motion
    mean_alone = torch.nn.functional.conv2d(clip[:, 0], weight[:, :, 0], stride=8)
    found = moving.embedding(still) - moving.embedding.bias
    torch.testing.assert_close(found, mean_alone.flatten(2).transpose(1, 2), atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    path = tmp_path_factory.mktemp("vjepa21") / "vitb.pt"
    torch.save({"ema_encoder": newer_tensors(vision_model())}, path)
    encoder = XEncoder(NEWER_VISION).eval()
    read_v_jepa_file(path).fill(encoder)
    return encoder


def by_hand(tensors, patches, places):
    """V-JEPA 2.1 as its paper and layout say, with rotations of complex numbers."""
    x, heads = patches, VISION.heads
    layer_norm = torch.nn.functional.layer_norm
    linear = torch.nn.functional.linear

    def norm(x, name):
        return layer_norm(
            x, x.shape[-1:], tensors[name + ".weight"], tensors[name + ".bias"], 1e-6
        )

    def apply(x, name):
        return linear(x, tensors[name + ".weight"], tensors[name + ".bias"])

    def turn(x):
        width, parts = 2 * (x.shape[-1] // 3 // 2), []
        omega = 10000.0 ** (-torch.arange(width // 2) / (width / 2))
        for axis, place in enumerate(places):
            part = torch.view_as_complex(
                x[..., axis * width : (axis + 1) * width].unflatten(-1, (-1, 2)).contiguous()
            )
            angle = place[:, None] * omega
            parts.append(torch.view_as_real(part * torch.exp(1j * angle)).flatten(-2))
        return torch.cat([*parts, x[..., 3 * width :]], -1)

    for i in range(VISION.depth):
        qkv = apply(norm(x, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = torch.nn.functional.scaled_dot_product_attention(turn(q), turn(k), v)
        x = x + apply(mixed.transpose(1, 2).flatten(2), f"blocks.{i}.attn.proj")
        hidden = torch.nn.functional.gelu(
            apply(norm(x, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1")
        )
        x = x + apply(hidden, f"blocks.{i}.mlp.fc2")
    return norm(x, "norms_block.3")


def grid_places(frames, rows, columns):
    """Positions of V-JEPA 2.1: rows and columns are stretched to 0..15, frames are not."""
    t, y, x = torch.meshgrid(*map(torch.arange, (frames, rows, columns)), indexing="ij")
    stretched = (t, y * 15 / (rows - 1), x * 15 / (columns - 1))
    return [place.flatten().to(torch.float32) for place in stretched]


@pytest.mark.parametrize(("rows", "columns"), [(32, 32), (48, 24)])
@torch.no_grad()
def test_v_jepa_2_1_embeds_a_video_as_its_formula_says(newer, rows, columns):
    tensors = newer_tensors(vision_model())
    clip = torch.randn(1, 4, 3, rows, columns)
    weight, bias = (tensors[f"patch_embed.proj.{kind}"] for kind in ("weight", "bias"))
    cut = torch.nn.functional.conv3d(clip.transpose(1, 2), weight, bias, stride=(2, 8, 8))
    patches = cut.flatten(2).transpose(1, 2) + tensors["video_mod_embed"]
    expected = by_hand(tensors, patches, grid_places(2, rows // 8, columns // 8))
    torch.testing.assert_close(newer(clip), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_v_jepa_2_1_embeds_an_image_with_weights_of_its_own(newer):
    tensors = newer_tensors(vision_model())
    image = torch.randn(1, 1, 3, 32, 32)
    weight, bias = (tensors[f"patch_embed_img.proj.{kind}"] for kind in ("weight", "bias"))
    cut = torch.nn.functional.conv2d(image[:, 0], weight[:, :, 0], bias, stride=8)
    patches = cut.flatten(2).transpose(1, 2) + tensors["img_mod_embed"]
    expected = by_hand(tensors, patches, grid_places(1, 4, 4))
    torch.testing.assert_close(newer(image), expected, atol=1e-5, rtol=1e-5)
