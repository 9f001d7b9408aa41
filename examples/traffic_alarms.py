"""Alarms on a stream: hourly traffic on Interstate 94, with faults of the sensor planted into it.

A forecaster of the next hour is fitted to 26 weeks. The hours after them come as they were counted, and once more with
a stuck sensor, spikes and shifts of the level in them. Expect nearly every fault to be found: spikes at once, a stuck
sensor when its value has come again once or twice, a shift after some hours; and on the hours as counted one alarm in
a hundred, which is what is asked for.
"""

import numpy as np

import gatewise as gw

RATE = 0.01  # of false alarms among the hours as they were counted
MOST = 0.8  # of the faults of each kind, that have to be found
WEEK = 7 * 24
FITTED = 26 * WEEK
FAULTS = {  # name: hours it lasts, and what it makes of them
    "spike": (1, lambda hours: hours + 3000),
    "shift": (72, lambda hours: hours + 1500),
    "stuck sensor": (12, lambda hours: np.full(len(hours), hours[0])),
}


def plant(traffic, every=3 * WEEK, first=12 * WEEK):
    """Return the traffic with a fault every three weeks, and where each begins and ends."""
    spoiled, places = traffic.copy(), []
    names = list(FAULTS)
    for k, start in enumerate(range(first, len(traffic) - 100, every)):
        name = names[k % len(names)]
        hours, fault = FAULTS[name]
        begin = start + 7 * k % 24  # not always at the same time of the day
        counted = traffic.to_numpy()[begin : begin + hours]
        if np.isnan(counted).any():
            continue  # a gap of the sensor itself
        spoiled.iloc[begin : begin + hours] = fault(counted)
        places.append((name, begin, begin + hours))
    return spoiled, places


def delays(found, places):
    """Return, by kind of fault, after how many hours each was found; None if it was not."""
    alarm, result = found["alarm"].to_numpy(), {name: [] for name in FAULTS}
    for name, begin, end in places:
        raised = np.flatnonzero(alarm[begin:end])
        result[name].append(int(raised[0]) if len(raised) else None)
    return result


def main():
    """Fit, watch both streams, and compare."""
    traffic = gw.datasets.i94()["traffic_volume"].astype(float)
    options = {"season": 24, "context": 48, "max_updates": 40, "n_networks": 1, "random_state": 0}
    forecaster = gw.RecurrentForecaster(1, **options).fit(traffic[:FITTED])
    after = traffic[FITTED:]
    clean = forecaster.anomalies(after, rate=RATE)["alarm"].mean()
    print(f"as counted: {len(after):,} hours, {clean:.2%} of them raise an alarm; asked for {RATE:.0%}")
    spoiled, places = plant(after)
    found = forecaster.anomalies(spoiled, rate=RATE)
    for name, hours in delays(found, places).items():
        late = [hour for hour in hours if hour is not None]
        print(f"{name}: {len(late)} of {len(hours)} found, after {np.median(late):.0f} hours in the median")
        if len(late) < MOST * len(hours):
            raise SystemExit(f"{name}: only {len(late)} of {len(hours)} were found.")
    if clean > 1.5 * RATE:
        raise SystemExit(f"{clean:.2%} false alarms; expected at most {1.5 * RATE:.2%}.")
    print("most faults found, the rate of false alarms held")


if __name__ == "__main__":
    main()
