"""Draw gradient_flow.svg: how far a gradient reaches in a GRU and in a tanh network trained on the adding problem.

    python docs/figures/gradient_flow.py        # half a minute; prints the figures that docs/sight.md states

Both networks have 32 units and make 800 updates on the same sequences of 100 steps, with the same optimizer, learning
rates and clipping. Drawn is the median, over 32 fresh sequences, of ‖∂h_T/∂h_t‖ against the steps back, T − t.
"""

from pathlib import Path

import numpy as np

import gatewise as gw

T, HIDDEN, ROWS, BATCH, EPOCHS = 100, 32, 8000, 50, 5
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 170, 20, 48
LOWEST, HIGHEST = -8, 1
COLORS = {"GRU": "#2f81f7", "tanh RNN": "#c9731a"}
# At how many steps back a curve has its label, which end of it is there, and how far away.
LABELS = {
    ("GRU", "before"): (T, "start", 6),
    ("GRU", "after"): (T, "start", 6),
    ("tanh RNN", "before"): (T, "end", -8),
    ("tanh RNN", "after"): (35, "start", 12),
}
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #444; } line { stroke: #8884; } path { fill: none; stroke-width: 2.5; }
  .before { stroke-dasharray: 5 4; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) { text { fill: #ccc; } }
"""


def adding(n, rng, T=T):
    """Return x (n, T, 2), values beside markers, and y (n, 1), the sum of the two marked values."""
    values, markers = rng.random((n, T)), np.zeros((n, T))
    rows = np.arange(n)
    markers[rows, rng.integers(0, T // 2, n)] = 1
    markers[rows, rng.integers(T // 2, T, n)] = 1
    y = (values * markers).sum(axis=1, keepdims=True)
    return np.stack([values, markers], axis=2).astype(np.float32), y.astype(np.float32)


def train(layer, data):
    """Train a model around `layer` and return it."""
    model = gw.Sequential(layer, gw.Last(), gw.Dense(HIDDEN, 1, rng=1))
    rate = gw.schedules.Cosine(1e-2, steps=EPOCHS * ROWS // BATCH, floor=5e-4)
    adam = gw.optimizers.Adam(rate)
    gw.train(model, *data, loss="mse", optimizer=adam, epochs=EPOCHS, batch_size=BATCH, clip=1.0, rng=0)
    return model


def reach(model, x):
    """Median of log₁₀ ‖∂h_T/∂h_t‖ against the steps back, from 0, and of the effective memory."""
    flow = gw.gradient_flow(model, x)
    return np.median(flow.log10_spectra[..., 0], axis=0)[::-1], float(np.median(flow.memory))


def place(back, log10_norm):
    """Pixel of a point of the plot."""
    x = LEFT + back / (T - 1) * (WIDTH - LEFT - RIGHT)
    share = (np.clip(log10_norm, LOWEST, HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def drawn(curves):
    """Return the picture; `curves` holds (name, kind, values)."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Norm of the gradient of the last state by an earlier one, against the steps between them</title>",
        f"<style>{STYLE}</style>",
    ]
    for power in range(LOWEST, HIGHEST + 1):
        (x0, y), (x1, _) = place(0, power), place(T - 1, power)
        parts.append(f'<line x1="{x0:.1f}" y1="{y:.1f}" x2="{x1:.1f}" y2="{y:.1f}"/>')
        label = f'10<tspan dy="-5" font-size="10">{str(power).replace("-", "−")}</tspan>'
        parts.append(f'<text x="{LEFT - 36}" y="{y + 4:.1f}">{label}</text>')
    for back in range(0, T + 1, 20):
        x, y = place(back, LOWEST)
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{back}</text>')
    x, y = place((T - 1) / 2, LOWEST)
    title = "steps back from the last, T − t, before and after training"
    parts.append(f'<text x="{x:.1f}" y="{y + 38:.1f}" text-anchor="middle">{title}</text>')
    for name, kind, values in curves:
        shown = [k for k in range(T) if values[k] > LOWEST]
        points = " L".join("{:.1f} {:.1f}".format(*place(k, values[k])) for k in shown)
        parts.append(f'<path class="{kind}" stroke="{COLORS[name]}" d="M{points}"/>')
        labeled, anchor, gap = LABELS[name, kind]
        labeled = min(labeled, shown[-1])
        x, y = place(labeled, values[labeled])
        parts.append(f'<text x="{x + gap:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}">{name}, {kind}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def described(values, memory):
    """Return the figures of one network in words."""
    return f"10^{values[T // 2]:.1f} at {T // 2} steps, 10^{values[-1]:.1f} at {T - 1}, memory {memory:g}"


def main():
    """Train, measure, draw."""
    rng = np.random.default_rng(0)
    data, (x, y) = adding(ROWS, rng), adding(2000, rng)
    layers = {"GRU": gw.GRU(2, HIDDEN, chrono=T, rng=0), "tanh RNN": gw.RNN(2, HIDDEN, rng=0)}
    curves = []
    for name, layer in layers.items():
        values, memory = reach(layer, x[:32])
        curves.append((name, "before", values))
        print(f"{name:9} before: {described(values, memory)}")
        model = train(layer, data)
        values, memory = reach(model, x[:32])
        curves.append((name, "after", values))
        error = gw.losses.mse(model(x)[0], y)[0]
        print(f"{name:9} after:  {described(values, memory)}, error {error:.4f} (the mean: {y.var():.4f})")
    Path(__file__).with_suffix(".svg").write_text(drawn(curves), encoding="utf-8")


if __name__ == "__main__":
    main()
