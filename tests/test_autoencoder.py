"""The auto-encoder learns pictures by heart, their counterparts as well, and what is no noise."""

from __future__ import annotations

import pytest
import torch
from fitting import fit, scenes
from small import SMALL

from diptych.methods.autoencoder import Autoencoder
from diptych.testing import batch, begin

SIZES = {"code": 8, "downs": 2, "width": 16}


@pytest.mark.parametrize("loss", ["l1", "l2"])
def test_a_handful_of_pictures_is_learnt_by_heart(loss: str) -> None:
    torch.manual_seed(0)
    pictures = scenes(4)
    method = fit(Autoencoder(**SIZES, loss=loss), {"source": pictures, "target": pictures}, 100, lr_scale=5.0)
    error = (method.translate(pictures) - pictures).abs().mean()
    assert error < 0.3 * (pictures - pictures.mean((0, 2, 3), keepdim=True)).abs().mean()


def test_a_picture_becomes_its_counterpart() -> None:
    torch.manual_seed(0)
    pictures = scenes(4)
    grey = pictures.mean(1, keepdim=True).flip(-1)
    made = fit(Autoencoder(**SIZES, target_channels=1), {"source": pictures, "target": grey}, 100, lr_scale=5.0)
    assert made.translate(pictures).shape == grey.shape
    assert (made.translate(pictures) - grey).abs().mean() < 0.1


def test_trained_with_noise_it_removes_noise_that_it_has_not_seen() -> None:
    clean = scenes(8)
    noisy = clean + 0.5 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(7))
    torch.manual_seed(0)
    method = fit(Autoencoder(**SIZES, noise=0.5), {"source": clean, "target": clean}, 100, lr_scale=5.0)
    assert (method.translate(noisy) - clean).abs().mean() < 0.35 * (noisy - clean).abs().mean()


def test_noise_is_added_in_training_alone_and_to_the_source_alone() -> None:
    seen = []
    trainer = begin(Autoencoder, {**SMALL["autoencoder"], "noise": 0.25})
    trainer.method.encoder.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    pictures = batch(trainer.method, size=8)
    trainer.step(pictures)
    added = seen[0] - pictures["source"]
    assert added.std() == pytest.approx(0.25, rel=0.05)
    assert added.mean() == pytest.approx(0, abs=0.01)
    assert not torch.allclose(added[0], added[1])
    method = trainer.method.eval()
    assert torch.equal(method.translate(pictures["source"]), method.translate(pictures["source"]))


def test_a_picture_passes_through_the_numbers_of_its_code_alone() -> None:
    method = Autoencoder(code=5, downs=2, width=4)
    assert method.encoder(torch.zeros(2, 3, 32, 16)).shape == (2, 5, 8, 4)
    assert method.size_multiple == 4
