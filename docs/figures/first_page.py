"""Draw the three pictures of the first page: forecast.svg, gates.svg and report.png.

    python docs/figures/first_page.py        # a minute or two; report.png only where Chromium and Pillow are installed

The forecaster reads eleven months of hourly traffic, with its default settings; the report is its page. The gates are
those of a GRU of 12 units that was trained on the adding problem: it reads 40 values and answers with the sum of the
two that carry a marker.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from gradient_flow import adding  # the script beside this one

import gatewise as gw

HERE = Path(__file__).parent
INK, BLUE, ORANGE = "#7d8590", "#2f81f7", "#c9731a"  # middle tones, which can be read on white and on black
STYLE = f"text {{ font: 13px system-ui, sans-serif; fill: {INK}; }} path {{ fill: none; stroke-width: 2; }}"
WIDTH = 720
STEPS, UNITS = 40, 12


def svg(height, title, parts):
    """Return a picture as text."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return "\n".join([head, f"<title>{title}</title>", f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


def line(x, y, color, more=""):
    """Return a line through the points x, y."""
    points = " L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<path stroke="{color}" d="M{points}" {more}/>'


def text(x, y, words, more=""):
    """Return words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{words}</text>'


def forecaster():
    """Return a fitted forecaster, and the hours before and after its last observation."""
    traffic = gw.datasets.i94()["traffic_volume"].iloc[1600:9600].astype(float)
    past, future = traffic.iloc[:-48], traffic.iloc[-48:]
    return gw.RecurrentForecaster(24, season=24, random_state=0).fit(past), past, future


def forecast_picture(quantiles, past, future):
    """Draw three days of observations, the forecast of the next day with its interval, and what was measured then."""
    height, left, top, bottom, shown = 300, 52, 16, 44, past.iloc[-72:]
    width = WIDTH - left - 12
    measured = future.iloc[: len(quantiles)]
    highest = 1000 * np.ceil(max(shown.max(), quantiles.max(axis=None), measured.max()) / 1000)

    def xs(first, n):
        return left + (first + np.arange(n)) / (len(shown) + len(quantiles) - 1) * width

    def ys(values):
        return height - bottom - np.asarray(values) / highest * (height - top - bottom)

    parts = []
    for level in np.arange(0, highest + 1, 2000):
        y = float(ys(level))
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - 12}" y2="{y:.1f}" stroke="{INK}" opacity=".3"/>')
        parts.append(text(left - 8, y + 4, f"{level:,.0f}", 'text-anchor="end"'))
    for day, date in enumerate(shown.index.append(quantiles.index)[::24]):
        parts.append(text(xs(24 * day, 1)[0], height - bottom + 20, f"{date:%a, %b %-d}"))
    x = xs(len(shown), len(quantiles))
    band = [*zip(x, ys(quantiles[0.1]), strict=True), *zip(x[::-1], ys(quantiles[0.9])[::-1], strict=True)]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in band)
    parts.append(f'<polygon points="{points}" fill="{BLUE}" opacity=".25"/>')
    parts.append(line(xs(0, len(shown)), ys(shown), INK))
    parts.append(line(x, ys(measured), INK, 'stroke-dasharray="4 4"'))
    parts.append(line(np.r_[xs(len(shown) - 1, 1), x], ys(np.r_[shown.iloc[-1], quantiles[0.5]]), BLUE))
    dashed = 'stroke-dasharray="4 4"'
    legend = ("measured", INK, ""), ("measured later", INK, dashed), ("forecast, 80 % interval", BLUE, "")
    for place, (words, color, dash) in zip((left, left + 120, left + 280), legend, strict=True):
        parts.append(line([place, place + 24], [height - 8] * 2, color, dash))
        parts.append(text(place + 30, height - 4, words))
    title = "Vehicles per hour: three days measured, and the forecast of the fourth with its 80 % interval"
    return svg(height, title, parts)


def trained_on_adding():
    """Return a GRU trained on the adding problem, and one sequence it was not trained on, (1, time, 2)."""
    rng = np.random.default_rng(0)
    data, (x, _) = adding(6000, rng, STEPS), adding(1, rng, STEPS)
    gru = gw.GRU(2, UNITS, chrono=STEPS, rng=0)
    model = gw.Sequential(gru, gw.Last(), gw.Dense(UNITS, 1, rng=1))
    adam = gw.optimizers.Adam(gw.schedules.Cosine(1e-2, steps=1200, floor=5e-4))
    history = gw.train(model, *data, loss="mse", optimizer=adam, epochs=10, batch_size=50, clip=1.0, rng=0)
    print(f"adding problem: loss {history['loss'][0]:.4f}, then {history['loss'][-1]:.4f}")
    return gru, x


def gates_picture(gru, x):
    """Draw the input and, for every unit and step, how much the update gate lets in, 1 − z."""
    writes = 1 - gw.trace(gru, x)["update"].values[0]  # (time, unit)
    order = np.argsort(-writes[x[0, :, 1] == 1].mean(axis=0))  # units that write at the markers on top
    left, top, height = 96, 34, 34 + 64 + UNITS * 16 + 42
    side = (WIDTH - left - 12) / STEPS
    parts = [text(left, 14, "input: 40 values; the two to be added are marked")]
    for t, (value, marker) in enumerate(x[0]):
        tall = 48 * value
        fill = ORANGE if marker else INK
        parts.append(
            f'<rect x="{left + t * side:.1f}" y="{top + 48 - tall:.1f}" width="{side - 2:.1f}" '
            f'height="{tall:.1f}" fill="{fill}"/>'
        )
    below = top + 64
    for row, unit in enumerate(order):
        parts.append(text(left - 8, below + 16 * row + 12, f"unit {unit}", 'text-anchor="end"'))
        for t in range(STEPS):
            place = f'x="{left + t * side:.1f}" y="{below + 16 * row}" width="{side - 1:.1f}" height="15"'
            parts.append(f'<rect {place} fill="{BLUE}" opacity="{0.06 + 0.94 * writes[t, unit]:.2f}"/>')
    legend = "update gate, 1 − z: pale, the unit keeps its state; blue, it writes a new one"
    parts.append(text(left, height - 22, legend))
    parts.append(text(WIDTH - 12, height - 4, "step 40", 'text-anchor="end"') + text(left, height - 4, "step 1"))
    title = "Update gates of a GRU: some units write where the input is marked and keep their state elsewhere"
    return svg(height, title, parts)


def photograph(page, path):
    """Save the first screen of a page as a small PNG."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        source, shot = Path(folder, "report.html"), Path(folder, "report.png")
        source.write_text(page, encoding="utf-8")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-background-networking",
        ]
        size = ["--window-size=1000,1000", "--virtual-time-budget=8000", f"--screenshot={shot}"]
        subprocess.run([shutil.which("chromium"), *options, *size, source.as_uri()], check=True, capture_output=True)
        Image.open(shot).crop((0, 0, 1000, 955)).convert("RGB").quantize(32).save(path, optimize=True)


def main():
    """Draw all three."""
    model, past, future = forecaster()
    print(f"{model.reference_}, shares {model.shares_}")
    (HERE / "forecast.svg").write_text(forecast_picture(model.predict_quantiles(), past, future), encoding="utf-8")
    (HERE / "gates.svg").write_text(gates_picture(*trained_on_adding()), encoding="utf-8")
    if shutil.which("chromium"):
        photograph(gw.report(model, past, title="Traffic on Interstate 94"), HERE / "report.png")
    for name in ("forecast.svg", "gates.svg", "report.png"):
        print(f"{name}: {(HERE / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
