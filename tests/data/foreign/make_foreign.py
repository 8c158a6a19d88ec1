#!/usr/bin/env python3
"""Makes the checkpoints of other programs in this folder, and what those programs would say of pictures.

    make_foreign.py [NAME...]

Nothing of the programs is used: names, shapes and formulas are written down here anew, every number is drawn at random, and
all is computed in double precision. For each case it writes the checkpoint and NAME.oracle.safetensors: `x` [n, c, h, w] in
the range -0.5..0.5 of this project, `bits_per_dim` [n] of a 256-level (or 2^bits-level) grid, and `eps.0`, `eps.1`, ... of each
level, finest first (not for normflows), all float64. Metadata: `options`, words for the command line.
Needs torch, numpy, safetensors; normflows and tensorflow for their cases.
"""
import collections
import json
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
D = torch.float64


class Draw:
    """Random numbers of a seed, as a file holds them."""

    def __init__(self, seed, dtype=torch.float32):
        self.g = torch.Generator().manual_seed(seed)
        self.dtype = dtype

    def __call__(self, *shape, std=0.1, mean=0.0):
        return (mean + std * torch.randn(*shape, generator=self.g, dtype=D)).to(self.dtype)

    def signs(self, n):
        return torch.where(torch.rand(n, generator=self.g) < 0.5, -1.0, 1.0).to(self.dtype)

    def rotation(self, c):
        q, _ = torch.linalg.qr(torch.randn(c, c, generator=self.g, dtype=D))
        return (q + 0.02 * torch.randn(c, c, generator=self.g, dtype=D)).to(self.dtype)

    def lu(self, c):
        """p, l, u with junk outside their triangles, signs, logs."""
        p = torch.eye(c, dtype=self.dtype)[torch.randperm(c, generator=self.g)]
        return p, self(c, c, std=0.2), self(c, c, std=0.2), self.signs(c), self(c, std=0.1)


def lu_matrix(p, l, u, sign, logs):
    c = p.shape[0]
    return p @ (torch.tril(l, -1) + torch.eye(c, dtype=D)) @ (torch.triu(u, 1) + torch.diag(sign * torch.exp(logs)))


def squeeze(x):
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def normal(z, mean, logs):
    return (-0.5 * (math.log(2 * math.pi) + 2 * logs + (z - mean) ** 2 / torch.exp(2 * logs))).flatten(1).sum(1)


def mix(x, w):
    n, c, hh, ww = x.shape
    return torch.einsum("ij,njhw->nihw", w, x), hh * ww * torch.linalg.slogdet(w)[1]


def conv(x, w, b=None, pad=0.0):
    """3x3 with a border of `pad`, 1x1 without."""
    if w.shape[-1] == 3:
        x = F.pad(x, (1, 1, 1, 1), value=pad)
    return F.conv2d(x, w, b)


def inputs(n, c, size, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    planes = np.stack([np.stack([np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6))
                                 for _ in range(c)]) for _ in range(n)])
    u8 = (128 + 100 * planes + rng.normal(0, 8, planes.shape)).clip(0, 255).astype(np.uint8)
    return torch.tensor(u8, dtype=D)


# ---------------------------------------------------------------- rosinality

def rosinality_state(draw, c, levels, depth, width, affine, lu):
    s = collections.OrderedDict()
    c *= 4
    for i in range(levels):
        last = i + 1 == levels
        for j in range(depth):
            p = f"blocks.{i}.flows.{j}."
            s[p + "actnorm.loc"] = draw(1, c, 1, 1)
            s[p + "actnorm.scale"] = draw(1, c, 1, 1, std=0.1, mean=1.0) * draw.signs(c).view(1, c, 1, 1)
            s[p + "actnorm.initialized"] = torch.tensor(1, dtype=torch.uint8)
            # Without LU, the last block has it all the same.
            if lu or last:
                perm, l, u, sign, logs = draw.lu(c)
                s[p + "invconv.w_l"], s[p + "invconv.w_s"], s[p + "invconv.w_u"] = l, logs, u
                s[p + "invconv.w_p"] = perm
                s[p + "invconv.u_mask"] = torch.triu(torch.ones(c, c), 1)
                s[p + "invconv.l_mask"] = s[p + "invconv.u_mask"].T
                s[p + "invconv.s_sign"], s[p + "invconv.l_eye"] = sign, torch.eye(c)
            else:
                s[p + "invconv.weight"] = draw.rotation(c).view(c, c, 1, 1)
            o = c if affine else c // 2
            s[p + "coupling.net.0.weight"], s[p + "coupling.net.0.bias"] = draw(width, c // 2, 3, 3), draw(width)
            s[p + "coupling.net.2.weight"], s[p + "coupling.net.2.bias"] = draw(width, width, 1, 1, std=0.2), draw(width)
            s[p + "coupling.net.4.scale"] = draw(1, o, 1, 1)
            s[p + "coupling.net.4.conv.weight"], s[p + "coupling.net.4.conv.bias"] = draw(o, width, 3, 3, std=0.03), draw(o)
        out, inp = (2 * c, c) if last else (c, c // 2)
        s[f"blocks.{i}.prior.scale"] = draw(1, out, 1, 1)
        s[f"blocks.{i}.prior.conv.weight"], s[f"blocks.{i}.prior.conv.bias"] = draw(out, inp, 3, 3, std=0.05), draw(out)
        c *= 2
    return s


def rosinality(state, x, bits):
    s = {k: v.to(D) for k, v in state.items()}
    zero_conv = lambda t, p: conv(t, s[p + "conv.weight"], s[p + "conv.bias"], 1.0) * torch.exp(3 * s[p + "scale"])
    levels = 1 + max(int(k.split(".")[1]) for k in s)
    depth = 1 + max(int(k.split(".")[3]) for k in s if ".flows." in k)
    total, zs, dims = torch.zeros(len(x), dtype=D), [], x[0].numel()
    for i in range(levels):
        x = squeeze(x)
        for j in range(depth):
            p = f"blocks.{i}.flows.{j}."
            hw = x.shape[2] * x.shape[3]
            x = s[p + "actnorm.scale"] * (x + s[p + "actnorm.loc"])
            total = total + hw * torch.log(s[p + "actnorm.scale"].abs()).sum()
            if p + "invconv.weight" in s:
                w = s[p + "invconv.weight"][:, :, 0, 0]
            else:
                w = lu_matrix(*(s[p + "invconv." + k] for k in ("w_p", "w_l", "w_u", "s_sign", "w_s")))
            x, more = mix(x, w)
            total = total + more
            a, b = x.chunk(2, 1)
            h = conv(a, s[p + "coupling.net.0.weight"], s[p + "coupling.net.0.bias"]).relu()
            h = conv(h, s[p + "coupling.net.2.weight"], s[p + "coupling.net.2.bias"]).relu()
            h = zero_conv(h, p + "coupling.net.4.")
            if h.shape[1] == a.shape[1]:
                b = b + h
            else:
                log_s, t = h.chunk(2, 1)
                f = torch.sigmoid(log_s + 2)
                b = (b + t) * f
                total = total + torch.log(f).flatten(1).sum(1)
            x = torch.cat([a, b], 1)
        if i + 1 < levels:
            x, z = x.chunk(2, 1)
            h = zero_conv(x, f"blocks.{i}.prior.")
        else:
            z = x
            h = zero_conv(torch.zeros_like(x), f"blocks.{i}.prior.")
        mean, logs = h.chunk(2, 1)
        total = total + normal(z, mean, logs)
        zs.append((z - mean) * torch.exp(-logs))
    return -total / (dims * math.log(2)) + bits, zs


# ---------------------------------------------------------------- chaiyujin, y0ast

def chaiyujin_state(draw, c, size, levels, depth, width, affine, mixing, learn_top, classes, y0ast, batch):
    s = collections.OrderedDict()
    c, n = 4 * c, 0
    hidden = (lambda p, at: (f"{p}block.{at}.conv.weight", f"{p}block.{at}.actnorm.")) if y0ast else (
        lambda p, at: (f"{p}f.{at}.weight", f"{p}f.{at}.actnorm."))

    def final(p, inner, out, inp, k=3, prefix_logs=None):
        inner = inner + "." if y0ast else ""
        s[f"{p}.{inner}weight"] = draw(out, inp, k, k, std=0.03) if k else draw(out, inp)
        s[f"{p}.{inner}bias"] = draw(out)
        s[f"{p}.logs"] = draw(out, 1, 1) if k else draw(out)

    top = size >> levels
    top_c = c * 2 ** (levels - 1)
    s["prior_h"] = torch.zeros(batch, 2 * top_c, top, top)
    for i in range(levels):
        n += 1
        for _ in range(depth):
            p = f"flow.layers.{n}."
            s[p + "actnorm.bias"], s[p + "actnorm.logs"] = draw(1, c, 1, 1), draw(1, c, 1, 1)
            if mixing == "plain":
                s[p + "invconv.weight"] = draw.rotation(c)
            elif mixing == "lu":
                perm, l, u, sign, logs = draw.lu(c)
                s[p + "invconv.p"], s[p + "invconv.sign_s"] = perm, sign
                names = ("lower", "upper") if y0ast else ("l", "u")
                s[p + "invconv." + names[0]], s[p + "invconv.log_s"], s[p + "invconv." + names[1]] = l, logs, u
            for at, shape, std in ((0, (width, c // 2, 3, 3), 0.1), (2, (width, width, 1, 1), 0.2)):
                w, a = hidden(p, at)
                s[w] = draw(*shape, std=std)
                s[a + "bias"], s[a + "logs"] = draw(1, width, 1, 1), draw(1, width, 1, 1)
            final(p + ("block.4" if y0ast else "f.4"), "conv", c if affine else c // 2, width)
            n += 1
        if i + 1 < levels:
            final(f"flow.layers.{n}.conv", "conv", c, c // 2)
            n, c = n + 1, 2 * c
    if learn_top:
        final("learn_top_fn" if y0ast else "learn_top", "conv", 2 * c, 2 * c)
    if classes:
        final("project_ycond", "linear", 2 * c, classes, k=0)
        final("project_class", "linear", classes, c, k=0)
    return s


def chaiyujin(state, u8, levels, depth, affine, y0ast, y=None):
    s = {k: v.to(D) for k, v in state.items()}
    inner = (lambda k: k + ".") if y0ast else (lambda k: "")
    hidden = (lambda p, at: (f"{p}block.{at}.conv.weight", f"{p}block.{at}.actnorm.")) if y0ast else (
        lambda p, at: (f"{p}f.{at}.weight", f"{p}f.{at}.actnorm."))
    final = lambda t, p: (conv(t, s[f"{p}.{inner('conv')}weight"]) + s[f"{p}.{inner('conv')}bias"].view(1, -1, 1, 1)) * \
        torch.exp(3 * s[f"{p}.logs"].view(1, -1, 1, 1))
    actnorm = lambda t, p: (t + s[p + "bias"]) * torch.exp(s[p + "logs"])
    x = u8 / 256 - 0.5 if y0ast else u8 / 255
    total, zs, n, dims = torch.zeros(len(x), dtype=D), [], 0, x[0].numel()
    for i in range(levels):
        x = squeeze(x)
        n += 1
        for _ in range(depth):
            p = f"flow.layers.{n}."
            x = actnorm(x, p + "actnorm.")
            total = total + x.shape[2] * x.shape[3] * s[p + "actnorm.logs"].sum()
            if p + "invconv.weight" in s:
                w = s[p + "invconv.weight"]
            elif p + "invconv.p" in s:
                l, u = ("lower", "upper") if y0ast else ("l", "u")
                w = lu_matrix(*(s[p + "invconv." + k] for k in ("p", l, u, "sign_s", "log_s")))
            else:
                w = torch.eye(x.shape[1], dtype=D).flip(0)
            x, more = mix(x, w)
            total = total + more
            a, b = x.chunk(2, 1)
            h = a
            for at in (0, 2):
                w, q = hidden(p, at)
                h = actnorm(conv(h, s[w]), q).relu()
            h = final(h, p + ("block.4" if y0ast else "f.4"))
            if affine:
                f = torch.sigmoid(h[:, 1::2] + 2)
                b = (b + h[:, 0::2]) * f
                total = total + torch.log(f).flatten(1).sum(1)
            else:
                b = b + h
            x = torch.cat([a, b], 1)
            n += 1
        if i + 1 < levels:
            x, z = x.chunk(2, 1)
            h = final(x, f"flow.layers.{n}.conv")
            total = total + normal(z, h[:, 0::2], h[:, 1::2])
            zs.append((z - h[:, 0::2]) * torch.exp(-h[:, 1::2]))
            n += 1
    h = s["prior_h"][:1].clone()
    name = "learn_top_fn" if y0ast else "learn_top"
    if f"{name}.logs" in s:
        h = final(h, name)
    if y is not None:
        k = inner("linear")
        h = h + ((y @ s[f"project_ycond.{k}weight"].T + s[f"project_ycond.{k}bias"]) *
                 torch.exp(3 * s["project_ycond.logs"]))[:, :, None, None]
    mean, logs = h.chunk(2, 1)
    total = total + normal(x, mean, logs)
    zs.append((x - mean) * torch.exp(-logs))
    bits = -total / (dims * math.log(2)) + 8
    # Per value of a grid of 256 levels.
    return bits if y0ast else bits - math.log2(256 / 255), zs


# ---------------------------------------------------------------- normflows

def normflows(seed, levels, depth, width, size, scale, scale_map, lu, base, classes, actnorm, mode="channel"):
    import normflows as nf
    torch.manual_seed(seed)
    q0, merges, flows = [], [], []
    for i in range(levels):
        flows.append([nf.flows.GlowBlock(3 * 2 ** (levels + 1 - i), width, split_mode=mode, scale=scale, scale_map=scale_map,
                                         use_lu=lu, net_actnorm=actnorm, init_zeros=False) for _ in range(depth)]
                     + [nf.flows.Squeeze()])
        side = size // 2 ** (levels - i) if i else size // 2 ** levels
        c = 3 * 2 ** (levels - i) if i else 3 * 2 ** (levels + 1)
        if i:
            merges.append(nf.flows.Merge())
        shape = (c, side, side)
        q0.append({"diag": lambda: nf.distributions.DiagGaussian(shape),
                   "class": lambda: nf.distributions.ClassCondDiagGaussian(shape, classes),
                   "glow": lambda: nf.distributions.GlowBase(shape, classes),
                   "affine": lambda: nf.distributions.AffineGaussian(shape, (c, 1, 1), classes)}[base]())
    model = nf.MultiscaleFlow(q0, flows, merges, class_cond=classes is not None)
    draw = Draw(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p += draw(*p.shape, std=0.02)
        for name, b in model.named_buffers():
            if name.endswith("data_dep_init_done"):
                b.fill_(1.0)
    return model


# ---------------------------------------------------------------- openai

def openai_state(draw, c, levels, depth, width, affine, permutation, learntop, classes, seed):
    """Variables by name, as TensorFlow has them: pixels before channels, filters [h, w, in, out]."""
    s = collections.OrderedDict()
    rng = np.random.RandomState(seed)
    c *= 4

    def norm(p, n):
        s[p + "actnorm_center/b"], s[p + "actnorm_scale/logs"] = draw(1, 1, 1, n), draw(1, 1, 1, n, std=0.03)

    def zeros(p, inp, out, *, dense=False):
        s[p + "/W"] = draw(inp, out) if dense else draw(3, 3, inp + 1, out, std=0.03)
        s[p + "/b"], s[p + "/logs"] = draw(1, out) if dense else draw(1, 1, 1, out), draw(1, out, std=0.03)

    for i in range(levels):
        for j in range(depth):
            p = f"model/{i}/{j}/"
            norm(p, c)
            if permutation == 2:
                s[p + "invconv/W"] = draw.rotation(c)
            elif permutation == 1:
                indices = rng.permutation(c).astype(np.int32)
                s[p + "shuffle/indices"] = torch.tensor(indices)
                s[p + "shuffle/indices_inverse"] = torch.tensor(np.argsort(indices).astype(np.int32))
            s[p + "f1/l_1/W"], s[p + "f1/l_2/W"] = draw(3, 3, c // 2 + 1, width), draw(1, 1, width, width, std=0.2)
            norm(p + "f1/l_1/", width)
            norm(p + "f1/l_2/", width)
            zeros(p + "f1/l_last", width, c if affine else c // 2)
        if i + 1 < levels:
            zeros(f"model/pool{i}/conv", c // 2, c)
            c *= 2
    if learntop:
        zeros("model/prior/p", 2 * c, 2 * c)
    if classes:
        zeros("model/prior/y_emb", classes, 2 * c, dense=True)
        zeros("model/classifier", c, classes, dense=True)
    return s


def openai(state, x, levels, depth, affine, permutation, bits, y=None):
    s = {k: v.to(D) for k, v in state.items()}
    flat = lambda k: s[k].reshape(1, -1, 1, 1)
    norm = lambda t, p: (t + flat(p + "actnorm_center/b")) * torch.exp(3 * flat(p + "actnorm_scale/logs"))

    def edged(t, w):
        w = w.permute(3, 2, 0, 1)
        if w.shape[-1] == 1:
            return F.conv2d(t, w)
        ring = F.pad(torch.zeros(len(t), 1, *t.shape[2:], dtype=D), (1, 1, 1, 1), value=1.0)
        return F.conv2d(torch.cat([F.pad(t, (1, 1, 1, 1)), ring], 1), w)

    zeros = lambda t, p: (edged(t, s[p + "/W"]) + flat(p + "/b")) * torch.exp(3 * flat(p + "/logs"))
    total, eps, dims = torch.zeros(len(x), dtype=D), [], x[0].numel()
    for i in range(levels):
        x = squeeze(x)
        for j in range(depth):
            p = f"model/{i}/{j}/"
            x = norm(x, p)
            total = total + x.shape[2] * x.shape[3] * 3 * s[p + "actnorm_scale/logs"].sum()
            if permutation == 2:
                x, more = mix(x, s[p + "invconv/W"].T)
                total = total + more
            elif permutation == 1:
                x = x[:, state[p + "shuffle/indices"].long()]
            else:
                x = x.flip(1)
            a, b = x.chunk(2, 1)
            h = norm(edged(a, s[p + "f1/l_1/W"]), p + "f1/l_1/").relu()
            h = norm(edged(h, s[p + "f1/l_2/W"]), p + "f1/l_2/").relu()
            h = zeros(h, p + "f1/l_last")
            if affine:
                f = torch.sigmoid(h[:, 1::2] + 2)
                b = (b + h[:, 0::2]) * f
                total = total + torch.log(f).flatten(1).sum(1)
            else:
                b = b + h
            x = torch.cat([a, b], 1)
        if i + 1 < levels:
            x, z = x.chunk(2, 1)
            h = zeros(x, f"model/pool{i}/conv")
            mean, logs = h[:, 0::2], h[:, 1::2]
        else:
            z = x
            h = torch.zeros(len(x), 2 * x.shape[1], *x.shape[2:], dtype=D)
            if "model/prior/p/W" in s:
                h = zeros(h, "model/prior/p")
            if y is not None:
                e = (y @ s["model/prior/y_emb/W"] + s["model/prior/y_emb/b"]) * torch.exp(3 * s["model/prior/y_emb/logs"])
                h = h + e[:, :, None, None]
            mean, logs = h.chunk(2, 1)
        total = total + normal(z, mean, logs)
        eps.append((z - mean) * torch.exp(-logs))
    return -total / (dims * math.log(2)) + bits, eps


# ---------------------------------------------------------------- cases

def save(name, ext, obj, x, bits, zs, options, legacy=False, extra=None):
    path = os.path.join(HERE, name + ext)
    torch.save(obj, path, _use_new_zipfile_serialization=not legacy)
    oracle(name, ext, x, bits, zs, options, extra)


def oracle(name, ext, x, bits, zs, options, extra=None):
    tensors = {"x": x.contiguous(), "bits_per_dim": bits.detach().contiguous()}
    tensors |= {f"eps.{i}": z.detach().contiguous() for i, z in enumerate(zs)}
    meta = {"file": name + ext, "options": options} | (extra or {})
    save_file(tensors, os.path.join(HERE, name + ".oracle.safetensors"), metadata=meta)
    print(name, [round(float(b), 4) for b in bits])


def scattered(state):
    """The same numbers as views: transposed, and every other row of something larger."""
    out = collections.OrderedDict()
    for k, v in state.items():
        if v.dim() == 4 and v.shape[-1] == 3:
            v = v.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
        elif v.dim() == 2:
            big = torch.zeros(2 * v.shape[0], v.shape[1], dtype=v.dtype)
            big[::2] = v
            v = big[::2]
        out[k] = v
    return out


def case_ros(name, seed, bits, size, legacy=False, module=False, dtype=torch.float32, view=False, **kw):
    def make():
        state = rosinality_state(Draw(seed, dtype), 3, **kw)
        u8 = inputs(2, 3, size, seed)
        x = torch.floor(u8 / 2 ** (8 - bits)) / 2 ** bits - 0.5 + 0.5 / 2 ** bits
        b, zs = rosinality(state, x, bits)
        if view:
            state = scattered(state)
        if module:
            state = collections.OrderedDict(("module." + k, v) for k, v in state.items())
        save(name, ".pt", state, x, b, zs, f"--image-size {size} --bits {bits}", legacy)
    return make


def case_cha(name, ext, seed, size, y0ast, wrap, legacy=False, classes=0, onehot=None, options="", dtype=torch.float32, **kw):
    def make():
        state = chaiyujin_state(Draw(seed, dtype), 3, size, classes=classes, y0ast=y0ast, batch=1 if y0ast else 4, **kw)
        u8 = inputs(2, 3, size, seed)
        y, extra, opts = None, {}, options
        if classes and onehot is not None:
            y = F.one_hot(torch.tensor([onehot] * 2), classes).to(D)
            opts += f" --class {onehot}"
        elif classes:
            y = torch.where(torch.arange(2 * classes).view(2, classes) % 3 == 0, 1.0, 0.0).to(D)
            opts += " --condition " + ";".join(",".join(str(int(v)) for v in row) for row in y)
        b, zs = chaiyujin(state, u8, kw["levels"], kw["depth"], kw["affine"], y0ast, y)
        x = u8 / 256 - 0.5
        save(name, ext, wrap(state), x, b, zs, opts.strip(), legacy)
    return make


def adam(state):
    """An optimiser's state, with numpy scalars beside."""
    return {"state": {i: {"step": 3, "exp_avg": torch.zeros(2), "max": np.float64(1.5)} for i in range(3)},
            "param_groups": [{"lr": np.float64(1e-3), "betas": (0.9, 0.9999), "eps": np.float32(1e-8), "params": [0, 1, 2],
                              "amsgrad": False, "weight_decay": 0}]}


def case_nf(name, seed, size, bits=8, options="", **kw):
    def make():
        model = normflows(seed, size=size, **kw)
        path = os.path.join(HERE, name + ".pth")
        torch.save(model.state_dict(), path)
        x = inputs(2, 3, size, seed) / 256 - 0.5
        model = model.double()
        y = torch.tensor([1, 1]) if kw["classes"] is not None else None
        with torch.no_grad():
            zs, _ = model.inverse_and_log_det(x)
            lp = model.log_prob(x, y)
        b = -lp / (x[0].numel() * math.log(2)) + bits
        opts = options + (" --class 1" if kw["classes"] is not None else "")
        oracle(name, ".pth", x, b, [], opts.strip())
    return make


def case_tf(name, seed, size, bits, frozen=False, classes=0, **kw):
    def make():
        import tensorflow as tf
        state = openai_state(Draw(seed), 3, classes=classes, seed=seed, **kw)
        x = torch.floor(inputs(2, 3, size, seed) / 2 ** (8 - bits)) / 2 ** bits - 0.5 + 0.5 / 2 ** bits
        y = F.one_hot(torch.tensor([1, 1]), classes).to(D) if classes else None
        b, eps = openai(state, x, kw["levels"], kw["depth"], kw["affine"], kw["permutation"], bits, y)
        options = f"--image-size {size} --bits {bits}" + (" --class 1" if classes else "")
        with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
            if frozen:
                for k, v in state.items():
                    tf.constant(v.numpy(), name=k)
                with open(os.path.join(HERE, name + ".pb"), "wb") as f:
                    f.write(graph.as_graph_def().SerializeToString())
            else:
                tf1 = tf.compat.v1
                variables = [tf1.get_variable(k, initializer=v.numpy(), use_resource=False) for k, v in state.items()]
                # Slots of an optimiser beside the weights.
                variables += [tf1.get_variable(k + "/Adam_1", initializer=0 * v.numpy(), use_resource=False)
                              for k, v in list(state.items())[:5]]
                session.run(tf1.global_variables_initializer())
                tf1.train.Saver(variables).save(session, os.path.join(HERE, name + ".ckpt"), write_meta_graph=False)
                os.remove(os.path.join(HERE, "checkpoint"))
        oracle(name, ".pb" if frozen else ".ckpt.index", x, b, eps, options)
    return make


CASES = {
    "ros_affine_lu": case_ros("ros_affine_lu", 1, 5, 16, levels=2, depth=2, width=8, affine=True, lu=True, module=True),
    "ros_affine_plain": case_ros("ros_affine_plain", 2, 8, 16, levels=3, depth=1, width=8, affine=True, lu=False, legacy=True),
    "ros_additive_lu": case_ros("ros_additive_lu", 3, 5, 8, levels=2, depth=2, width=6, affine=False, lu=True, view=True,
                                dtype=torch.float16),
    "cha_lu_cond": case_cha("cha_lu_cond", ".pkg", 4, 16, False, lambda s: {
        "global_step": 7, "graph": s, "optim": adam(s), "criterion": {}}, legacy=True, classes=5, levels=2, depth=2, width=8,
        affine=True, mixing="lu", learn_top=True),
    "cha_plain_additive": case_cha("cha_plain_additive", ".pkg", 5, 8, False, lambda s: {
        "global_step": 7, "graph": s, "optim": adam(s), "criterion": {}}, levels=2, depth=1, width=6, affine=False,
        mixing="plain", learn_top=False),
    "cha_reverse": case_cha("cha_reverse", ".pkg", 6, 8, False, lambda s: {
        "global_step": 7, "graph": s, "optim": adam(s), "criterion": {}}, options="--permutation reverse", levels=2, depth=2,
        width=6, affine=True, mixing="reverse", learn_top=True),
    "y0_lu_cond": case_cha("y0_lu_cond", ".pt", 7, 16, True, lambda s: {"model": s, "optimizer": adam(s)}, classes=4,
                           onehot=2, levels=2, depth=2, width=8, affine=True, mixing="lu", learn_top=True),
    "y0_plain": case_cha("y0_plain", ".pth", 8, 8, True, lambda s: s, legacy=True, levels=2, depth=1, width=6, affine=True,
                         mixing="plain", learn_top=True, dtype=torch.float64),
    "y0_bf16": case_cha("y0_bf16", ".pt", 9, 8, True, lambda s: {"model": s, "optimizer": adam(s)}, levels=1, depth=2,
                        width=6, affine=False, mixing="lu", learn_top=False, dtype=torch.bfloat16),
    "nf_diag": case_nf("nf_diag", 10, 8, levels=2, depth=2, width=6, scale=True, scale_map="sigmoid", lu=True, base="diag",
                       classes=None, actnorm=False),
    "nf_class": case_nf("nf_class", 11, 8, levels=2, depth=1, width=6, scale=True, scale_map="sigmoid", lu=False,
                        base="class", classes=3, actnorm=True),
    "nf_glow_exp": case_nf("nf_glow_exp", 12, 8, levels=2, depth=2, width=6, scale=True, scale_map="exp", lu=True,
                           base="glow", classes=3, actnorm=False, options="--scale-function exp --image-size 8"),
    "nf_affine_inverse": case_nf("nf_affine_inverse", 13, 8, levels=1, depth=2, width=6, scale=True, scale_map="sigmoid_inv",
                                 lu=True, base="affine", classes=None, actnorm=False, mode="channel",
                                 options="--scale-function inverse_sigmoid --image-size 8"),
    "nf_additive": case_nf("nf_additive", 14, 8, levels=3, depth=1, width=6, scale=False, scale_map="sigmoid", lu=True,
                           base="affine", classes=3, actnorm=False, options="--image-size 8"),
}
CASES |= {
    "tf_affine": case_tf("tf_affine", 20, 16, 8, levels=2, depth=2, width=6, affine=True, permutation=2, learntop=True),
    "tf_additive_class": case_tf("tf_additive_class", 21, 16, 5, classes=3, levels=3, depth=1, width=6, affine=False,
                                 permutation=2, learntop=True),
    "tf_shuffle": case_tf("tf_shuffle", 22, 8, 5, levels=2, depth=2, width=6, affine=True, permutation=1, learntop=False),
    "tf_reverse": case_tf("tf_reverse", 23, 8, 5, frozen=True, levels=2, depth=1, width=6, affine=True, permutation=0,
                          learntop=True),
}


# ---------------------------------------------------------------- files that are no Glow

class Runs:
    """Would run a command where a pickle is executed."""

    def __reduce__(self):
        return os.system, ("touch ran",)


def hostile():
    import pickle
    import zipfile
    folder = os.path.join(HERE, "hostile")
    os.makedirs(folder, exist_ok=True)
    path = lambda name: os.path.join(folder, name)
    t = torch.zeros
    resnet = collections.OrderedDict(
        [("conv1.weight", t(4, 3, 7, 7)), ("bn1.weight", t(4)), ("bn1.bias", t(4)), ("bn1.running_mean", t(4)),
         ("bn1.running_var", t(4)), ("bn1.num_batches_tracked", torch.tensor(7)), ("layer1.0.conv1.weight", t(4, 4, 3, 3)),
         ("fc.weight", t(10, 4)), ("fc.bias", t(10))])
    torch.save(resnet, path("resnet.pth"))
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path("module.pt"))
    state = rosinality_state(Draw(99), 3, 2, 1, 4, True, True)
    for name, new in (("runs.pt", True), ("runs_legacy.pt", False)):
        torch.save({"model": state, "extra": Runs()}, path(name), _use_new_zipfile_serialization=new)
    # A pickle that names a constructor of its own, as those of StyleGAN do.
    call = b"\x80\x04\x95" + (0).to_bytes(8, "little") + b"}\x8c\x05G_ema\x8c\x17torch_utils.persistence" \
        b"\x8c\x1b_reconstruct_persistent_obj\x93}\x85Rs."
    with open(path("stylegan.pkl"), "wb") as f:
        f.write(call)
    with zipfile.ZipFile(path("stylegan_zip.pt"), "w") as z:
        z.writestr("archive/data.pkl", call)
    with zipfile.ZipFile(path("bomb.pt"), "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("archive/data.pkl", pickle.dumps({}, 2))
        z.writestr("archive/data/0", bytes(30 << 20))
    with zipfile.ZipFile(path("other.zip"), "w") as z:
        z.writestr("readme.txt", "nothing")
    with zipfile.ZipFile(path("script.pt"), "w") as z:
        z.writestr("archive/data.pkl", pickle.dumps({}, 2))
        z.writestr("archive/constants.pkl", pickle.dumps({}, 2))
    # Many tensors of the same numbers, which come to many times the file.
    state = rosinality_state(Draw(98), 3, 1, 40, 4, True, True)
    one = torch.zeros(1)
    wide = torch.zeros(192, 192, 1, 1)
    shared = {}
    for k, v in state.items():
        if k.endswith("net.0.weight"):
            v = wide.view(-1)[: 192 * 6].view(192, 6, 1, 1).expand(192, 6, 3, 3)
        elif k.endswith("net.2.weight"):
            v = wide
        elif "net.4.conv.weight" in k:
            v = wide.view(-1)[: 12 * 192].view(12, 192, 1, 1).expand(12, 192, 3, 3)
        elif k.endswith(("net.0.bias", "net.2.bias")):
            v = one.expand(192)
        elif "scale" in k and "actnorm" in k:
            v = torch.ones(1).expand(v.shape)
        elif v.is_floating_point():
            v = wide.view(-1)[: v.numel()].view(v.shape)
        shared[k] = v
    torch.save(shared, path("shared.pt"))


CASES["hostile"] = hostile

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        CASES[name]()
