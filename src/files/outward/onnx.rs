//! The decoder as an ONNX graph: from `eps.0`, `eps.1`, … (finest first) and `temperature` to `x`; where the model is conditional,
//! `condition` `[n, values]` is one more input.
//!
//! `z = mean + exp(log_std) * eps * temperature`, then every step backwards, with actnorms folded into their neighbours and each
//! 1x1 convolution's inverse taken in double precision. What a padding adds is a convolution of a ring of ones, which the
//! runtime folds. Operators of opset 13; the number of pictures is free.

use super::super::import::wire::Writer;
use crate::config::{Coupling, GlowConfig, Padding, ScaleFunction, SplitPrior};
use crate::model::params::Params;

const OPSET: u64 = 13;
const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// Protocol buffers end there.
const MAX_BYTES: usize = i32::MAX as usize;

/// The file, or why this model cannot be one.
pub(super) fn bytes(params: &Params) -> Result<Vec<u8>, String> {
    let config = &params.config;
    if !config.detail.is_empty() {
        return Err(
            "a model with detail stages cannot leave as ONNX: train one without `detail`".into(),
        );
    }
    let mut graph = Graph {
        params,
        nodes: Writer::default(),
        constants: Writer::default(),
        inputs: Writer::default(),
        count: 0,
    };
    let shapes = config.level_shapes();
    let mut x = String::new();
    for (l, shape) in shapes.iter().enumerate().rev() {
        let is_top = l + 1 == shapes.len();
        let eps = format!("eps.{l}");
        let dims = [shape.eps_channels, shape.side, shape.side];
        graph.inputs.message(11, &value(&eps, &dims));
        let scaled = graph.node("Mul", &[&eps, "temperature"]);
        if !is_top {
            graph.ring(l, shape.side);
        }
        let z = graph.prior(l, is_top, shape.channels, shape.side, &x, &scaled);
        if is_top {
            graph.ring(l, shape.side);
            x = z;
        } else {
            x = graph.concat(&x, &z);
        }
        for k in (0..config.depth).rev() {
            x = graph.step(l, k, shape.channels, &x)?;
        }
        x = graph.unsqueeze(&x);
    }
    graph.nodes.message(1, &node("Identity", &[&x], "x", &[]));
    let bytes = model(graph, config);
    if bytes.len() > MAX_BYTES {
        return Err("it comes to more than the two gigabytes that an ONNX file can have".into());
    }
    Ok(bytes)
}

struct Graph<'a> {
    params: &'a Params,
    nodes: Writer,
    constants: Writer,
    inputs: Writer,
    count: usize,
}

impl Graph<'_> {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    fn node(&mut self, op: &str, inputs: &[&str]) -> String {
        self.node_with(op, inputs, &[])
    }

    fn node_with(&mut self, op: &str, inputs: &[&str], attributes: &[Writer]) -> String {
        let out = self.name();
        self.nodes.message(1, &node(op, inputs, &out, attributes));
        out
    }

    fn constant(&mut self, shape: &[usize], numbers: impl IntoIterator<Item = f64>) -> String {
        let bytes = numbers.into_iter().flat_map(|v| (v as f32).to_le_bytes());
        self.raw(shape, FLOAT, &bytes.collect::<Vec<_>>())
    }

    fn raw(&mut self, shape: &[usize], kind: u64, bytes: &[u8]) -> String {
        let name = self.name();
        let mut tensor = Writer::default();
        for &d in shape {
            tensor.number(1, d as u64);
        }
        tensor.number(2, kind);
        tensor.bytes(8, name.as_bytes());
        tensor.bytes(9, bytes);
        self.constants.message(5, &tensor);
        name
    }

    fn get(&self, name: &str) -> Vec<f64> {
        self.params.slice(name).iter().map(|&v| v.into()).collect()
    }

    /// What a picture's padding is: `[1, 1, side + 2, side + 2]`, one on the outside.
    fn ring(&mut self, l: usize, side: usize) {
        let wide = side + 2;
        let inside = |v: usize| v > 0 && v <= side;
        let is_one = |at: usize| !(inside(at / wide) && inside(at % wide));
        let bytes = (0..wide * wide).flat_map(|at| f32::from(u8::from(is_one(at))).to_le_bytes());
        let mut tensor = Writer::default();
        for d in [1, 1, wide, wide] {
            tensor.number(1, d as u64);
        }
        tensor.number(2, FLOAT);
        tensor.bytes(8, format!("ring.{l}").as_bytes());
        tensor.bytes(9, &bytes.collect::<Vec<_>>());
        self.constants.message(5, &tensor);
    }

    fn concat(&mut self, a: &str, b: &str) -> String {
        self.node_with("Concat", &[a, b], &[attribute_int("axis", 1)])
    }

    /// Two halves of the channels, or any two parts.
    fn split(&mut self, x: &str, first: usize, second: usize) -> [String; 2] {
        let sizes: Vec<u8> = [first as i64, second as i64]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let sizes = self.raw(&[2], INT64, &sizes);
        let out = [self.name(), self.name()];
        let mut message = node("Split", &[x, &sizes], &out[0], &[attribute_int("axis", 1)]);
        message.bytes(2, out[1].as_bytes());
        self.nodes.message(1, &message);
        out
    }

    /// A convolution, `(conv(x) + bias) * scale`, with the tensors of `name`.
    fn conv(
        &mut self,
        l: usize,
        name: &str,
        x: &str,
        k: usize,
        bias: &[f64],
        scale: &[f64],
    ) -> String {
        let out = bias.len();
        let weight = self.get(&format!("{name}.weight"));
        let per = weight.len() / out;
        let input = per / (k * k);
        let scaled = |w: &[f64], per: usize| -> Vec<f64> {
            w.iter()
                .enumerate()
                .map(|(i, w)| w * scale[i / per])
                .collect()
        };
        let border: Option<Vec<f64>> = match self.params.config.padding {
            _ if k == 1 => None,
            Padding::Zeros => None,
            Padding::EdgeBias => Some(self.get(&format!("{name}.border_weight"))),
            // Only what has a log_scale of its own pads with ones.
            Padding::FinalOnes if self.params.get(&format!("{name}.log_scale")).is_none() => None,
            Padding::FinalOnes => Some(
                (0..out * 9)
                    .map(|at| {
                        (0..input)
                            .map(|i| weight[(at / 9 * input + i) * 9 + at % 9])
                            .sum()
                    })
                    .collect(),
            ),
        };
        let w = self.constant(&[out, input, k, k], scaled(&weight, per));
        let b = self.constant(&[out], bias.iter().zip(scale).map(|(b, s)| b * s));
        let pads = attribute_ints("pads", &[(k / 2) as u64; 4]);
        let y = self.node_with("Conv", &[x, &w, &b], &[pads]);
        let Some(border) = border else { return y };
        let w = self.constant(&[out, 1, 3, 3], scaled(&border, 9));
        let ring = format!("ring.{l}");
        let more = self.node("Conv", &[&ring, &w]);
        self.node("Add", &[&y, &more])
    }

    fn final_conv(&mut self, l: usize, name: &str, x: &str) -> String {
        let bias = self.get(&format!("{name}.bias"));
        let scale = self.scales(&format!("{name}.log_scale"));
        self.conv(l, name, x, 3, &bias, &scale)
    }

    fn scales(&self, name: &str) -> Vec<f64> {
        self.get(name).iter().map(|s| (3.0 * s).exp()).collect()
    }

    /// `mean + exp(log_std) * scaled`, where `x` is what went on at a split.
    fn prior(
        &mut self,
        l: usize,
        is_top: bool,
        c: usize,
        side: usize,
        x: &str,
        scaled: &str,
    ) -> String {
        let is_table = self.params.config.variant.split_prior == SplitPrior::Table;
        let (mean, std) = if is_top || is_table {
            let prefix = if is_top {
                "prior".to_owned()
            } else {
                format!("levels.{l}.split.prior")
            };
            let n = if is_top { c } else { c / 2 };
            let mean = self.get(&format!("{prefix}.mean"));
            let log_std = self.get(&format!("{prefix}.log_std"));
            let side = if mean.len() == n { 1 } else { side };
            let shape = [1, n, side, side];
            if self.params.config.variant.condition > 0 {
                let mean = self.given(&format!("{prefix}.condition_mean"), shape, mean);
                let log_std = self.given(&format!("{prefix}.condition_log_std"), shape, log_std);
                (mean, self.node("Exp", &[&log_std]))
            } else {
                let std = log_std.iter().map(|v| v.exp());
                (self.constant(&shape, mean), self.constant(&shape, std))
            }
        } else {
            let h = self.final_conv(l, &format!("levels.{l}.split.prior"), x);
            let [mean, log_std] = self.split(&h, c / 2, c / 2);
            let std = self.node("Exp", &[&log_std]);
            (mean, std)
        };
        let z = self.node("Mul", &[scaled, &std]);
        self.node("Add", &[&z, &mean])
    }

    /// A table, and what the condition adds to it.
    fn given(&mut self, by_value: &str, [_, c, h, w]: [usize; 4], base: Vec<f64>) -> String {
        let rows = self.get(by_value);
        let rows = self.constant(&[rows.len() / base.len(), base.len()], rows);
        let more = self.node("MatMul", &["condition", &rows]);
        let shape = [-1, c as i64, h as i64, w as i64];
        let bytes: Vec<u8> = shape.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shape = self.raw(&[4], INT64, &bytes);
        let more = self.node("Reshape", &[&more, &shape]);
        let base = self.constant(&[1, c, h, w], base);
        self.node("Add", &[&base, &more])
    }

    /// A step backwards.
    fn step(&mut self, l: usize, k: usize, c: usize, z: &str) -> Result<String, String> {
        let p = format!("levels.{l}.steps.{k}.");
        let net = format!("{p}coupling.");
        let [z1, z2] = self.split(z, c / 2, c / 2);
        let mut h = z1.clone();
        for (conv, norm, size) in [("conv1", "actnorm1", 3), ("conv2", "actnorm2", 1)] {
            let bias = self.get(&format!("{net}{norm}.bias"));
            let scale = self.scales(&format!("{net}{norm}.log_scale"));
            h = self.conv(l, &format!("{net}{conv}"), &h, size, &bias, &scale);
            h = self.node("Relu", &[&h]);
        }
        let h = self.final_conv(l, &format!("{net}conv3"), &h);
        let x2 = match self.params.config.coupling {
            Coupling::Additive => self.node("Sub", &[&z2, &h]),
            Coupling::Affine => {
                let [shift, raw] = self.split(&h, c / 2, c / 2);
                let whole = self.over_scale(&z2, &raw);
                self.node("Sub", &[&whole, &shift])
            }
        };
        let x = self.concat(&z1, &x2);
        // x = W^-1 z / s - b.
        let (w, _) = self.params.mixing(l, k);
        let inverse = w.inverse().ok_or("a 1x1 convolution has no inverse")?;
        let scale = self.scales(&format!("{p}actnorm.log_scale"));
        let bias = self.get(&format!("{p}actnorm.bias"));
        let rows = (0..c * c).map(|at| inverse.data[at] / scale[at / c]);
        let w = self.constant(&[c, c, 1, 1], rows);
        let b = self.constant(&[c], bias.iter().map(|b| -b));
        Ok(self.node("Conv", &[&x, &w, &b]))
    }

    /// `z / s`.
    fn over_scale(&mut self, z: &str, raw: &str) -> String {
        let function = self.params.config.variant.scale_function;
        if function == ScaleFunction::Exp {
            let s = self.node("Exp", &[raw]);
            return self.node("Div", &[z, &s]);
        }
        let floor = f64::from(self.params.config.scale_floor.value());
        let two = self.constant(&[], [2.0]);
        let v = self.node("Add", &[raw, &two]);
        let mut s = self.node("Sigmoid", &[&v]);
        if floor > 0.0 {
            let (rest, floor) = (
                self.constant(&[], [1.0 - floor]),
                self.constant(&[], [floor]),
            );
            s = self.node("Mul", &[&s, &rest]);
            s = self.node("Add", &[&s, &floor]);
        }
        let op = match function {
            ScaleFunction::InverseSigmoid => "Mul",
            _ => "Div",
        };
        self.node(op, &[z, &s])
    }

    /// Four channels become a square: channel `4 c + 2 dy + dx`.
    fn unsqueeze(&mut self, x: &str) -> String {
        let attributes = [attribute_int("blocksize", 2), attribute_text("mode", "CRD")];
        self.node_with("DepthToSpace", &[x], &attributes)
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Writer]) -> Writer {
    let mut node = Writer::default();
    for input in inputs {
        node.bytes(1, input.as_bytes());
    }
    node.bytes(2, output.as_bytes());
    node.bytes(4, op.as_bytes());
    for attribute in attributes {
        node.message(5, attribute);
    }
    node
}

/// An attribute and its kind: 2 a number, 3 text, 7 numbers.
fn attribute(name: &str, kind: u64) -> Writer {
    let mut attribute = Writer::default();
    attribute.bytes(1, name.as_bytes());
    attribute.number(20, kind);
    attribute
}

fn attribute_int(name: &str, v: u64) -> Writer {
    let mut attribute = attribute(name, 2);
    attribute.number(3, v);
    attribute
}

fn attribute_text(name: &str, text: &str) -> Writer {
    let mut attribute = attribute(name, 3);
    attribute.bytes(4, text.as_bytes());
    attribute
}

fn attribute_ints(name: &str, numbers: &[u64]) -> Writer {
    let mut attribute = attribute(name, 7);
    numbers.iter().for_each(|&v| attribute.number(8, v));
    attribute
}

/// A named tensor of floats `[n, ..]`, or a single number.
fn value(name: &str, dims: &[usize]) -> Writer {
    let mut shape = Writer::default();
    if !dims.is_empty() {
        let mut n = Writer::default();
        n.bytes(2, b"n");
        shape.message(1, &n);
    }
    for &d in dims {
        let mut dim = Writer::default();
        dim.number(1, d as u64);
        shape.message(1, &dim);
    }
    let (mut tensor, mut kind, mut value) =
        (Writer::default(), Writer::default(), Writer::default());
    tensor.number(1, FLOAT);
    tensor.message(2, &shape);
    kind.message(1, &tensor);
    value.bytes(1, name.as_bytes());
    value.message(2, &kind);
    value
}

fn model(mut graph: Graph, config: &GlowConfig) -> Vec<u8> {
    graph.inputs.message(11, &value("temperature", &[]));
    if config.variant.condition > 0 {
        let condition = value("condition", &[config.variant.condition]);
        graph.inputs.message(11, &condition);
    }
    let mut out = Writer::default();
    out.append(graph.nodes);
    out.bytes(2, b"glow");
    out.append(graph.constants);
    out.append(graph.inputs);
    let size = config.image_size;
    out.message(12, &value("x", &[config.channels, size, size]));
    let mut opset = Writer::default();
    opset.bytes(1, b"");
    opset.number(2, OPSET);
    let mut model = Writer::default();
    model.number(1, 8);
    model.bytes(2, b"glow-explorer");
    model.bytes(3, env!("CARGO_PKG_VERSION").as_bytes());
    model.message(7, &out);
    model.message(8, &opset);
    model.into_bytes()
}
