"""Networks as people write them by hand, made as source text: cells × conventions × interfaces, with slips planted.

Written apart from the catalogue of the library: a slip here is another text for a line, and beside it the line as the
library should name it, in the library's letters.
"""

from __future__ import annotations

import linecache
import textwrap

import numpy as np
from handwritten_specs import GATES, JOINED, LETTERS, PACKED, SEPARATE, Spec


class Writer:
    """Writes the source of a spec."""

    def __init__(self, one: Spec):
        self.spec = one
        self.L = LETTERS[one.letters]
        letters = {"gru": "rzn", "lstm": "ifgo", "rnn": "n"}[one.cell]
        self.G = dict(zip(letters, GATES[one.cell][one.gates], strict=True))
        if one.storage == "separate" and one.cell == "rnn":
            self.sets = PACKED[one.names % len(PACKED)]
        else:
            kinds = {"separate": SEPARATE, "packed": PACKED, "joined": JOINED}[one.storage]
            self.sets = kinds[one.names % len(kinds)]
        self.changes = {target: text for target, text, *_ in one.slips if not target.startswith("loop")}
        self.loops = {target for target, *_ in one.slips if target.startswith("loop")}

    # pieces

    def local(self, matrix, gate):
        """The local name of a block inside forward and backward."""
        return {"W": "Wx", "U": "Wh", "b": "b", "c": "bh"}[matrix] + "_" + self.G[gate]

    def arrays(self):
        """Every array: name, gates and matrix in it."""
        one, result = self.spec, []
        sides = [matrix for matrix in "bc" if matrix in one.biases]
        if one.storage == "joined":
            for gate in one.order:
                result.append((self.sets[0].format(self.G[gate]), "J", (gate,)))
            for gate in one.order if one.biases else ():
                result.append((self.sets[1].format(self.G[gate]), "b", (gate,)))
        elif one.storage == "packed" or one.cell == "rnn":
            result = [(self.sets["WUbc".index(m)], m, one.order) for m in ["W", "U", *sides]]
        else:
            for matrix in ["W", "U", *sides]:
                result += [
                    (self.sets["WUbc".index(matrix)].format(self.G[gate]), matrix, (gate,)) for gate in one.order
                ]
        return result

    def shape(self, matrix, gates):
        H = "H" if len(gates) == 1 else f"{len(gates)} * H"
        if matrix in "bc":
            return {"rows": f"({H},)", "columns": f"({H}, 1)", "flat": f"({H},)"}[self.spec.vectors]
        inputs = {"W": "D", "U": "H", "J": "D + H"}[matrix]
        return f"({inputs}, {H})" if self.spec.stored else f"({H}, {inputs})"

    def times(self, a, W):
        """The product of a vector and a matrix."""
        if self.spec.vectors == "rows":
            return f"{a} @ {W}" if self.spec.stored else f"{a} @ {W}.T"
        return f"{W} @ {a}"

    def back(self, da, W):
        if self.spec.vectors == "rows":
            return f"{da} @ {W}.T" if self.spec.stored else f"{da} @ {W}"
        return f"{W}.T @ {da}"

    def wrong_back(self, da, W):
        if self.spec.vectors == "rows":
            return f"{da} @ {W}" if self.spec.stored else f"{da} @ {W}.T"
        return f"{W} @ {da}"

    def outer(self, da, v):
        if self.spec.vectors == "flat":
            return f"np.outer({da}, {v})"
        if self.spec.vectors == "rows":
            return f"{v}.T @ {da}" if self.spec.stored else f"{da}.T @ {v}"
        return f"{da} @ {v}.T"

    def total(self, da):
        return {"rows": f"{da}.sum(axis=0)", "columns": f"{da}.sum(axis=1, keepdims=True)", "flat": f"{da}"}[
            self.spec.vectors
        ]

    def unpack(self, access):
        """Lines that give every block its local name."""
        lines, axis_last = [], self.spec.vectors == "rows" and self.spec.stored
        for name, matrix, gates in self.arrays():
            source = access(name)
            for k, gate in enumerate(gates):
                part = f"{k} * H:{k + 1} * H"
                rows = source if len(gates) == 1 else (
                    f"{source}[{part}]" if matrix in "bc" or not axis_last else f"{source}[:, {part}]")  # fmt: skip
                if matrix == "J":
                    spans = {"xh": (":D", "D:"), "hx": ("H:", ":H")}[self.spec.joined]
                    for own, span in zip("WU", spans, strict=True):
                        cut = f"{rows}[{span}]" if self.spec.stored else f"{rows}[:, {span}]"
                        lines.append(f"{self.local(own, gate)} = {cut}")
                else:
                    lines.append(f"{self.local(matrix, gate)} = {rows}")
        return lines

    # the cell

    def pre(self, gate, state=None):
        bias = "".join(f" + {self.local(m, gate)}" for m in "bc" if m in self.spec.biases)
        return (f"{self.times(self.L['x'], self.local('W', gate))} + "
                f"{self.times(state or self.L['h_prev'], self.local('U', gate))}{bias}")  # fmt: skip

    def forward_lines(self):
        one, L = self.spec, self.L
        if one.cell == "rnn":
            f = "np.tanh" if one.nonlinearity == "tanh" else "relu"
            return [f"h = {f}({self.pre('n')})"]
        if one.cell == "lstm":
            lines = [f"{L[g]} = {'np.tanh' if g == 'g' else 'sigmoid'}({self.pre(g)})" for g in "ifgo"]
            return [
                *lines,
                f"c = {L['f']} * c_prev + {L['i']} * {L['g']}",
                "tanh_c = np.tanh(c)",
                f"h = {L['o']} * tanh_c",
            ]
        r, z, n, h_prev = (L[k] for k in ("r", "z", "n", "h_prev"))
        lines = [f"{r} = sigmoid({self.pre('r')})", f"{z} = sigmoid({self.pre('z')})"]
        if one.reset == "before":
            lines.append(f"{n} = np.tanh({self.pre('n', f'({r} * {h_prev})')})")
        else:
            c = f" + {self.local('c', 'n')}" if "c" in one.biases else ""
            b = f" + {self.local('b', 'n')}" if "b" in one.biases else ""
            lines.append(f"q = {self.times(h_prev, self.local('U', 'n'))}{c}")
            lines.append(f"{n} = np.tanh({self.times(L['x'], self.local('W', 'n'))}{b} + {r} * q)")
        new = f"{z} * {h_prev} + (1 - {z}) * {n}" if one.update == "keeps" else f"(1 - {z}) * {h_prev} + {z} * {n}"
        return [*lines, f"h = {new}"]

    def backward_lines(self):
        one, L = self.spec, self.L
        rows = {}
        dh, h_prev = L["dh"], L["h_prev"]
        if one.cell == "rnn":
            rows["da_n"] = f"{dh} * (1 - h ** 2)" if one.nonlinearity == "tanh" else f"{dh} * (h > 0)"
        elif one.cell == "lstm":
            rows |= {"do": f"{dh} * tanh_c", "dc": f"dc_next + {dh} * {L['o']} * (1 - tanh_c ** 2)"}
            rows |= {"df": "dc * c_prev", "di": f"dc * {L['g']}", "dg": f"dc * {L['i']}"}
            rows |= {f"da_{g}": f"d{g} * {L[g]} * (1 - {L[g]})" for g in "ifo"}
            rows |= {"da_g": f"dg * (1 - {L['g']} ** 2)", "dc_prev": f"dc * {L['f']}"}
        else:
            r, z, n = L["r"], L["z"], L["n"]
            keeps = one.update == "keeps"
            rows["dn"] = f"{dh} * (1 - {z})" if keeps else f"{dh} * {z}"
            rows["dz"] = f"{dh} * ({h_prev} - {n})" if keeps else f"{dh} * ({n} - {h_prev})"
            rows |= {"da_n": f"dn * (1 - {n} ** 2)", "da_z": f"dz * {z} * (1 - {z})"}
            if one.reset == "before":
                rows |= {"ds": self.back("da_n", self.local("U", "n")), "dr": f"ds * {h_prev}"}
            else:
                rows |= {"dq_n": f"da_n * {r}", "dr": "da_n * q"}
            rows["da_r"] = f"dr * {r} * (1 - {r})"
        gates = list(self.G)
        dq = {g: "dq_n" if g == "n" and one.reset == "after" else f"da_{g}" for g in gates}
        state = {g: f"({L['r']} * {h_prev})" if g == "n" and one.reset == "before" else h_prev for g in gates}
        rows |= {f"dW_{g}": self.outer(f"da_{g}", L["x"]) for g in gates}
        rows |= {f"dU_{g}": self.outer(dq[g], state[g]) for g in gates}
        rows |= {f"d{m}_{g}": self.total(dq[g] if m == "c" else f"da_{g}") for m in one.biases for g in gates}
        rows["dx"] = " + ".join(self.back(f"da_{g}", self.local("W", g)) for g in gates)
        ways = [self.back(dq[g], self.local("U", g)) for g in gates if not (g == "n" and one.reset == "before")]
        if one.cell == "gru":
            ways.insert(0, f"{dh} * {L['z']}" if one.update == "keeps" else f"{dh} * (1 - {L['z']})")
        if one.reset == "before":
            ways.append(f"ds * {L['r']}")
        rows["dh_prev"] = " + ".join(ways)
        return {target: self.changes.get(target, text) for target, text in rows.items()}

    def packed_gradients(self):
        """Lines that put the gradients of blocks together as the arrays are."""
        lines = []
        for name, matrix, gates in self.arrays():
            axis = 1 if self.spec.stored and matrix not in "bc" else 0
            parts = []
            for gate in gates:
                if matrix == "J":
                    pair = [f"dW_{gate}", f"dU_{gate}"] if self.spec.joined == "xh" else [f"dU_{gate}", f"dW_{gate}"]
                    parts.append(f"np.concatenate([{', '.join(pair)}], axis={0 if self.spec.stored else 1})")
                else:
                    parts.append(f"d{matrix}_{gate}")
            whole = parts[0] if len(parts) == 1 else f"np.concatenate([{', '.join(parts)}], axis={axis})"
            lines.append((name, whole))
        return lines

    # around it

    def record(self):
        one, L = self.spec, self.L
        own = {"rnn": [], "lstm": [L[g] for g in "ifgo"] + ["c_prev", "tanh_c"],
               "gru": [L["r"], L["z"], L["n"]] + ["q"] * (one.reset == "after")}[one.cell]  # fmt: skip
        return ", ".join([L["x"], L["h_prev"], *own, "h"])

    def source(self):
        one = self.spec
        head = ["import numpy as np", "", "", "def sigmoid(a):", "    return 1 / (1 + np.exp(-a))", "", "",
                "def relu(a):", "    return np.maximum(a, 0)", "", ""]  # fmt: skip
        body = self.functions() if one.interface == "functions" else self.klass()
        return "\n".join(head) + "\n" + body

    def init(self):
        lines = [f"{name} = np.random.randn(*{self.shape(m, g)}) * 0.5" for name, m, g in self.arrays()]
        names = [name for name, *_ in self.arrays()]
        kind = self.spec.interface
        if kind == "grads list":
            lines += [f"self.params = [{', '.join(names)}]", "self.grads = [np.zeros_like(p) for p in self.params]"]
            return lines, lambda name: f"self.params[{names.index(name)}]"
        if kind in ("grads dict", "returned"):
            pairs = ", ".join(f'"{name}": {name}' for name in names)
            return [*lines, f"self.params = {{{pairs}}}", "self.grads = {}"], lambda name: f'self.params["{name}"]'
        return [
            line.replace(line.split(" = ")[0], f"self.{line.split(' = ')[0]}", 1) for line in lines
        ], lambda n: f"self.{n}"

    def keep(self, access):
        """Lines that hand the gradients over."""
        lines, names = [], [name for name, *_ in self.arrays()]
        for name, whole in self.packed_gradients():
            kind = self.spec.interface
            if kind == "grads list":
                lines.append(f"self.grads[{names.index(name)}][...] = {whole}")
            elif kind in ("grads dict", "returned"):
                lines.append(f'self.grads["{name}"] = {whole}')
            elif kind == "cache":
                lines.append(f'grads["{name}"] = {whole}')
            elif kind == "update":
                lines.append(f"{access(name)} -= self.lr * ({whole})")
            else:
                lines.append(f"self.d{name} = {whole}")
        return lines

    def klass(self):
        one, L = self.spec, self.L
        if one.sequence:
            return self.sequence_class()
        init, access = self.init()
        lstm = one.cell == "lstm"
        state, more = (f"{L['h_prev']}, c_prev", ", dc_next") if lstm else (L["h_prev"], "")
        cached = one.interface == "cache"
        update = one.interface == "update"
        name = f"{one.cell.upper()}Cell"
        out = [f"class {name}:", f"    def __init__(self, input_size, hidden_size{', lr=0.05' if update else ''}):",
               "        D, H = input_size, hidden_size", "        self.D, self.H = D, H"]  # fmt: skip
        out += ["        self.lr = lr"] * update + [f"        {line}" for line in init]
        out += ["", f"    def forward(self, {L['x']}, {state}):", "        D, H = self.D, self.H"]
        out += [f"        {line}" for line in [*self.unpack(access), *self.forward_lines()]]
        cache = f"({self.record()})"
        result = "h, c" if lstm else "h"
        out += (
            [f"        return {result}, {cache}"]
            if cached
            else [f"        self.cache = {cache}", f"        return {result}"]
        )
        out += [
            "",
            f"    def backward(self, {'cache, ' if cached else ''}{L['dh']}{more}):",
            "        D, H = self.D, self.H",
        ]
        out += [
            f"        {self.record()} = {'cache' if cached else 'self.cache'}",
            *(["        grads = {}"] if cached else []),
        ]
        out += [f"        {line}" for line in self.unpack(access)]
        out += [f"        {target} = {text}" for target, text in self.backward_lines().items()]
        out += [f"        {line}" for line in self.keep(access)]
        returned = "dx, dh_prev" + (", dc_prev" if lstm else "") + (", grads" if cached else "")
        return "\n".join([*out, f"        return {returned}", ""])

    def functions(self):
        one, L = self.spec, self.L
        lstm = one.cell == "lstm"
        state, more = (f"{L['h_prev']}, c_prev", ", dc_next") if lstm else (L["h_prev"], "")
        arrays = [f'    p["{name}"] = np.random.randn(*{self.shape(m, g)}) * 0.5' for name, m, g in self.arrays()]
        out = ["D, H = 4, 5", "", "", "def make():", "    p = {}", *arrays, "    return p", "", ""]
        access = lambda name: f'params["{name}"]'  # noqa: E731
        out += [f"def forward(params, {L['x']}, {state}):"]
        out += [f"    {line}" for line in [*self.unpack(access), *self.forward_lines()]]
        out += [f"    return h, {'c, ' if lstm else ''}({self.record()})", "", ""]
        out += [f"def backward(params, cache, {L['dh']}{more}):", f"    {self.record()} = cache", "    grads = {}"]
        out += [f"    {line}" for line in self.unpack(access)]
        out += [f"    {target} = {text}" for target, text in self.backward_lines().items()]
        out += [f'    grads["d{name}"] = {whole}' for name, whole in self.packed_gradients()]
        out += [
            f"    return dx, dh_prev, {'dc_prev, ' if lstm else ''}grads",
            "",
            "",
            "NETWORK = (forward, backward, make())",
            "",
        ]
        return "\n".join(out)

    def sequence_class(self):
        one, L = self.spec, self.L
        init, access = self.init()
        lstm = one.cell == "lstm"
        names = [name for name, *_ in self.arrays()]
        shape = {"time": "T, B, _ = xs.shape", "batch": "B, T, _ = xs.shape", "single": "T, _ = xs.shape"}[one.sequence]
        if one.vectors == "columns":
            shape = "T, _, B = xs.shape"
        zero = {"rows": "(B, H)", "columns": "(H, B)", "flat": "(H,)"}[one.vectors]
        at = "[:, t]" if one.sequence == "batch" else "[t]"
        full = {"time": "(T, B, H)", "batch": "(B, T, H)", "single": "(T, H)"}[one.sequence]
        full = "(T, H, B)" if one.vectors == "columns" else full
        out = [f"class Time{one.cell.upper()}:", "    def __init__(self, input_size, hidden_size):",
               "        D, H = input_size, hidden_size", "        self.D, self.H = D, H",
               *(f"        {line}" for line in init)]  # fmt: skip
        out += ["", "    def forward(self, xs):", "        D, H = self.D, self.H", f"        {shape}",
                *(f"        {line}" for line in self.unpack(access)), f"        h = np.zeros({zero})",
                *["        c = np.zeros_like(h)"] * lstm,
                f"        hs, self.caches = np.zeros({full}), []", "        for t in range(T):",
                f"            {L['x']}, {L['h_prev']} = xs{at}, h", *["            c_prev = c"] * lstm,
                *(f"            {line}" for line in self.forward_lines()), f"            hs{at} = h",
                f"            self.caches.append(({self.record()}))", "        self.T, self.zero = T, np.zeros_like(h)",
                "        self.x_shape = xs.shape", "        return hs"]  # fmt: skip
        steps = "range(self.T)" if "loop forward" in self.loops else "reversed(range(self.T))"
        dh = f"dhs{at}" if "loop next" in self.loops else f"dhs{at} + dh_prev"
        out += ["", "    def backward(self, dhs):", "        D, H = self.D, self.H",
                *(f"        {line}" for line in self.unpack(access)), "        dxs = np.zeros(self.x_shape)",
                "        dh_prev = self.zero", *["        dc_next = self.zero"] * lstm,
                f"        total = {{name: 0 for name in {names}}}", f"        for t in {steps}:",
                f"            {self.record()} = self.caches[t]", f"            {L['dh']} = {dh}",
                *(f"            {target} = {text}" for target, text in self.backward_lines().items()),
                *["            dc_next = dc_prev"] * lstm]  # fmt: skip
        for name, whole in self.packed_gradients():
            out.append(f'            total["{name}"] {"=" if "loop overwritten" in self.loops else "+="} {whole}')
        out.append(f"            dxs{at} = dx")
        if "loop mean" in self.loops:
            out += ["        for name in total:", "            total[name] = total[name] / self.T"]
        if one.interface == "attributes":
            out += [f'        self.d{name} = total["{name}"]' for name in names]
        elif one.interface == "grads dict":
            out.append("        self.grads = total")
        return "\n".join([*out, f"        return dxs{', total' if one.interface == 'returned' else ''}", ""])


_counter = [0]


def build(one: Spec):
    """Return the class, or the triple of functions and weights, of a spec; its source can be read by tracebacks."""
    source = Writer(one).source()
    _counter[0] += 1
    file = f"<handwritten {_counter[0]}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    names = {"__name__": f"handwritten_{_counter[0]}"}
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(_counter[0])  # noqa: NPY002
    exec(compile(textwrap.dedent(source), file, "exec"), names)
    np.random.set_state(state)  # noqa: NPY002
    if one.interface == "functions":
        return names["NETWORK"]
    return next(value for name, value in names.items() if isinstance(value, type))
