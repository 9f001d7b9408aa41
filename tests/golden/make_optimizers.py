"""Write optimizers.npz, schedules.npz and losses.npz: what PyTorch 2.13 computes in float64.

Run with the peers environment: `python tests/golden/make_optimizers.py`. The tests that read them are
test_optimizers.py, test_schedules.py and test_losses.py; they do not need PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812
from torch.optim import lr_scheduler

HERE = Path(__file__).parent
STEPS = 300
CHECKPOINTS = (1, 2, 10, 100, 300)
SHAPES = {"w": (4, 3), "b": (5,), "rare": (2,)}

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"lr": 0.05}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    "sgd_nesterov_decay": (
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    "rmsprop": (torch.optim.RMSprop, {}),
    "rmsprop_all": (
        torch.optim.RMSprop,
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.7, "centered": True},
    ),
    "rmsprop_centered": (torch.optim.RMSprop, {"centered": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "adagrad_all": (torch.optim.Adagrad, {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1}),
    "adam": (torch.optim.Adam, {}),
    "adam_all": (torch.optim.Adam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {}),
    "adamw_all": (torch.optim.AdamW, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3}),
}


def gradients() -> dict[str, np.ndarray]:
    """Gradients of very different sizes; `rare` has one at every third step only."""
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=(STEPS, *shape)) * rng.lognormal(size=shape) for name, shape in SHAPES.items()}


def optimizers() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    start = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    grads = gradients()
    found = {f"start/{name}": value for name, value in start.items()}
    found |= {f"grads/{name}": value for name, value in grads.items()}
    for case, (kind, options) in OPTIMIZERS.items():
        path = follow(kind, options, start, grads)
        found |= {f"{case}/{name}": np.stack(values) for name, values in path.items()}
    path = follow(torch.optim.Adam, {"lr": 0.1}, start, grads, one_cycle)
    found |= {f"adam_one_cycle/{name}": np.stack(values) for name, values in path.items()}
    return found


def one_cycle(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS, cycle_momentum=False)


def follow(kind, options, start, grads, scheduled=None) -> dict[str, list[np.ndarray]]:
    """Return the parameters at the checkpoints."""
    params = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    optimizer = kind(params.values(), **options)
    scheduler = scheduled(optimizer) if scheduled else None
    path: dict[str, list[np.ndarray]] = {name: [] for name in params}
    for step in range(STEPS):
        for name, param in params.items():
            param.grad = None if name == "rare" and step % 3 else torch.tensor(grads[name][step])
        optimizer.step()
        if scheduler and step + 1 < STEPS:
            scheduler.step()
        if step + 1 in CHECKPOINTS:
            for name, param in params.items():
                path[name].append(param.detach().numpy().copy())
    return path


def clipping() -> dict[str, np.ndarray]:
    grads = {name: value[0] for name, value in gradients().items()}
    tensors = {name: torch.zeros(value.shape, dtype=torch.float64) for name, value in grads.items()}
    for name, tensor in tensors.items():
        tensor.grad = torch.tensor(grads[name])
    norm = torch.nn.utils.clip_grad_norm_(tensors.values(), 0.7)
    return {"clip/norm": norm.numpy()} | {f"clip/{name}": tensor.grad.numpy() for name, tensor in tensors.items()}


def rates(make, lr: float, steps: int) -> np.ndarray:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    found = []
    for index in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if index + 1 < steps:
            scheduler.step()
    return np.array(found)


def warm_cosine(optimizer: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    return lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=7),
            lr_scheduler.CosineAnnealingLR(optimizer, 30, eta_min=0.01),
        ],
        milestones=[7],
    )


def schedules() -> dict[str, np.ndarray]:
    cycle = lr_scheduler.OneCycleLR
    return {
        "step": rates(lambda o: lr_scheduler.StepLR(o, 7, gamma=0.3), 0.5, 40),
        "cosine": rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 30, eta_min=0.01), 0.5, 31),
        "one_cycle": rates(lambda o: cycle(o, 0.5, total_steps=40, cycle_momentum=False), 1.0, 40),
        "one_cycle_all": rates(
            lambda o: cycle(
                o,
                0.5,
                total_steps=23,
                pct_start=0.41,
                div_factor=7.0,
                final_div_factor=90.0,
                cycle_momentum=False,
            ),
            1.0,
            23,
        ),
        "one_cycle_rise": rates(lambda o: cycle(o, 0.5, total_steps=9, pct_start=1.0, cycle_momentum=False), 1.0, 9),
        "warm_up": rates(lambda o: lr_scheduler.LinearLR(o, total_iters=5), 0.5, 12),
        "warm_up_cosine": rates(warm_cosine, 0.5, 37),
    }


def reduce(loss: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    if weights is None:
        return loss.mean()
    weights = weights.reshape(weights.shape + (1,) * (loss.ndim - weights.ndim)).expand(loss.shape)
    return (loss * weights).sum() / weights.sum()


def pinball(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    q = torch.tensor([0.1, 0.25, 0.5, 0.9], dtype=torch.float64)
    error = target[..., None] - prediction
    return torch.maximum(q * error, (q - 1) * error)


def losses() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    real = rng.normal(size=(3, 5, 4)) * 3
    scores = rng.normal(size=(3, 5, 4)) * 20
    probabilities = rng.dirichlet(np.ones(4), size=(3, 5))
    classes = rng.integers(0, 4, size=(3, 5))
    data = {"prediction": real, "scores": scores, "real": real + rng.normal(size=real.shape) * 2}
    data |= {"probabilities": probabilities, "classes": classes, "observed": rng.normal(size=(3, 5))}
    data |= {"weights/batch": rng.random(3), "weights/time": rng.random((3, 5))}
    data["weights/time"][1, 2:] = 0

    def rows(loss):  # PyTorch has the classes on axis 1
        return lambda p, t: loss(p.movedim(-1, 1), t.movedim(-1, 1) if t.ndim == 3 else t, reduction="none")

    cases = {
        "mse": (lambda p, t: F.mse_loss(p, t, reduction="none"), "prediction", "real"),
        "mae": (lambda p, t: F.l1_loss(p, t, reduction="none"), "prediction", "real"),
        "huber": (lambda p, t: F.huber_loss(p, t, reduction="none"), "prediction", "real"),
        "huber_delta": (lambda p, t: F.huber_loss(p, t, reduction="none", delta=2.5), "prediction", "real"),
        "binary_cross_entropy": (
            lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="none"),
            "scores",
            "probabilities",
        ),
        "cross_entropy": (rows(F.cross_entropy), "scores", "classes"),
        "cross_entropy_probabilities": (rows(F.cross_entropy), "scores", "probabilities"),
        "pinball": (pinball, "prediction", "observed"),
    }
    found = dict(data)
    for case, (loss, prediction, target) in cases.items():
        for kind in ("none", "batch", "time"):
            p = torch.tensor(data[prediction], requires_grad=True)
            weights = None if kind == "none" else torch.tensor(data[f"weights/{kind}"])
            value = reduce(loss(p, torch.tensor(data[target])), weights)
            value.backward()
            found |= {
                f"{case}/{kind}/value": value.detach().numpy(),
                f"{case}/{kind}/gradient": p.grad.numpy(),
            }
    p = torch.tensor(scores.reshape(15, 4))  # PyTorch's own weighted mean: a weight for each class
    weights = torch.tensor([0.3, 1.0, 2.0, 0.5], dtype=torch.float64)
    found["cross_entropy_classes/value"] = F.cross_entropy(p, torch.tensor(classes.reshape(15)), weights).numpy()
    return found


if __name__ == "__main__":
    np.savez_compressed(HERE / "optimizers.npz", **optimizers(), **clipping())
    np.savez_compressed(HERE / "schedules.npz", **schedules())
    np.savez_compressed(HERE / "losses.npz", **losses())
