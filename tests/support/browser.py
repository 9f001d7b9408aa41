"""A headless Chromium, driven over the pipe of its DevTools protocol: no driver, no network, no further package."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--proxy-server=127.0.0.1:9",  # where nobody listens: what is not a file is refused
)
LATEST = 60.0


def find_chromium():
    """The path of an installed Chromium, or None."""
    return next(filter(None, map(shutil.which, (os.environ.get("GATEWISE_CHROMIUM", ""), *NAMES))), None)


class Browser:
    """One Chromium process with pages of its own; use it in a `with` block."""

    def __init__(self, folder):
        commands, self.write_to = os.pipe()
        self.read_from, answers = os.pipe()
        arguments = [find_chromium(), *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        # Chromium reads its commands from descriptor 3 and answers on 4.
        script = f'exec "$@" 3<&{commands} 4>&{answers}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *arguments],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self.number, self.buffer, self.events = 0, b"", []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, TimeoutError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.write_to)
        os.close(self.read_from)

    def call(self, method, session=None, **params):
        """Send a command and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self.write_to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LATEST
        while True:
            answer = self._message(end)
            if answer is None:
                raise TimeoutError(f"Chromium did not answer {method} within {LATEST:.0f} s")
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def _message(self, end):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_from], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                return None
            received = os.read(self.read_from, 1 << 20)
            if not received:
                raise RuntimeError("Chromium ended")
            self.buffer += received
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, address, *, width=1280, height=900, dark=False, ready="document.readyState === 'complete'"):
        """Open a file or an address in a tab of its own and wait until the expression `ready` holds."""
        return Tab(self, address, width, height, dark, ready)


class Tab:
    """A page that is open: what it says on the console, asks of the network, and looks like."""

    def __init__(self, browser, address, width, height, dark, ready):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.media(dark=dark)
        started = time.monotonic()
        url = address if isinstance(address, str) else address.resolve().as_uri()
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.protocol !== 'about:' && ({ready})")
        self.seconds = time.monotonic() - started

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def media(self, *, dark=False, kind=""):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=kind, features=[scheme])

    def evaluate(self, expression):
        """The value of a JavaScript expression, promises awaited."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description", expression))
        return found["result"].get("value")

    def wait_for(self, expression, latest=LATEST):
        """Wait until a JavaScript expression holds."""
        end, error = time.monotonic() + latest, None
        while True:
            try:
                if self.evaluate(expression):
                    return
            except RuntimeError as found:  # between two pages there is no document
                error = found
            if time.monotonic() > end:
                raise TimeoutError(f"not within {latest:.0f} s: {expression}; {error or self.complaints()}")
            time.sleep(0.02)

    def settle(self):
        """Wait until what is pending has been painted."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def mouse(self, kind, x, y, **options):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **options)
        self.settle()

    def screenshot(self, path, *, whole=False):
        """Write what is shown, or the whole page, as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
        return path

    def _events(self, *methods):
        mine = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in mine if event["method"] in methods]

    def complaints(self):
        """Everything that went wrong: exceptions, errors on the console, entries of the log."""
        self.settle()
        thrown = [
            e["exceptionDetails"].get("exception", e["exceptionDetails"])
            for e in self._events("Runtime.exceptionThrown")
        ]
        told = [
            [argument.get("value", argument.get("description")) for argument in e["args"]]
            for e in self._events("Runtime.consoleAPICalled")
            if e["type"] in ("error", "assert", "warning")
        ]
        logged = [
            e["entry"]["text"] for e in self._events("Log.entryAdded") if e["entry"]["level"] in ("error", "warning")
        ]
        return [*thrown, *told, *logged]

    def requests(self):
        """Addresses of everything the page asked for, but itself and what it carries within."""
        asked = [e["request"]["url"] for e in self._events("Network.requestWillBeSent") if e["type"] != "Document"]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]

    def failures(self):
        return [e["errorText"] for e in self._events("Network.loadingFailed")]
