//! A reader of pickles that executes nothing: it rebuilds plain data, and tensors by name of a fixed list.
//!
//! Python's pickle is a program for a stack machine that may call any function. This machine knows the calls of
//! [`Call`] only, and what they give is data; any other name ends the reading. Values live in one arena, so nothing is
//! recursive, and memory is bounded by the length of the pickle.

use std::cell::Cell;
use std::collections::HashMap;

/// A pickle without its storages is never longer: the names and shapes of a large model take a few megabytes.
const MAX_BYTES: usize = 64 << 20;

/// Operations and copied items, together: a hundred times what the largest of the known programs needs. It keeps a pickle
/// that copies its own copies from filling the memory.
const MAX_WORK: usize = 4 << 20;

/// A value. Compound ones are numbers of nodes of [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number of up to 128 bits.
    Int(i128),
    /// A float.
    Float(f64),
    /// Something of the arena.
    Node(usize),
}

/// A compound value.
#[derive(Clone, Debug)]
pub enum Node {
    /// Text.
    Text(String),
    /// Bytes, and whole numbers too long for [`Value::Int`].
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A list, or a set.
    List(Vec<Value>),
    /// A dictionary, in the order of insertion.
    Dict(Vec<(Value, Value)>),
    /// A name of the list.
    Name(Call),
    /// What a persistent id stands for.
    Storage(Storage),
    /// A tensor.
    Tensor(Box<TensorView>),
    /// Data that no import needs, such as a NumPy scalar.
    Opaque,
}

/// Numbers somewhere in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Their type; `None` for one that is given with the tensor.
    pub dtype: Option<Dtype>,
    /// Under which name they are stored.
    pub key: String,
    /// How many; bytes where the type is not given.
    pub len: usize,
    /// Where a view of another storage starts.
    pub offset: usize,
}

/// A tensor as a view of a storage.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorView {
    /// Where its numbers are.
    pub storage: Storage,
    /// Their type.
    pub dtype: Dtype,
    /// First number, in numbers.
    pub offset: usize,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Steps between neighbours in each dimension, in numbers.
    pub strides: Vec<usize>,
}

/// Types of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The type of a storage class (`FloatStorage`) or of a dtype (`float32`).
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" | "float64" | "double" => Self::F64,
            "FloatStorage" | "float32" | "float" => Self::F32,
            "HalfStorage" | "float16" | "half" => Self::F16,
            "BFloat16Storage" | "bfloat16" => Self::Bf16,
            "LongStorage" | "int64" | "long" => Self::I64,
            "IntStorage" | "int32" | "int" => Self::I32,
            "ShortStorage" | "int16" | "short" => Self::I16,
            "CharStorage" | "int8" => Self::I8,
            "ByteStorage" | "uint8" => Self::U8,
            "BoolStorage" | "bool" => Self::Bool,
            _ => return None,
        })
    }
}

/// The names that a pickle may hold, by what they do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A tensor: storage, offset, shape, strides.
    Tensor,
    /// A tensor whose type comes with it.
    TensorOfType,
    /// A parameter: its first argument.
    Parameter,
    /// A tensor with attributes: a name, a type, arguments.
    FromType,
    /// A dictionary, from nothing or from pairs.
    Dict,
    /// A tuple.
    Tuple,
    /// A list or a set.
    List,
    /// A type of numbers.
    Type(Dtype),
    /// A storage without a type of its own.
    Untyped,
    /// Text to bytes.
    Encode,
    /// Something of no interest.
    Opaque,
}

impl Call {
    fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::TensorOfType,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                Self::Parameter
            }
            ("torch._tensor", "_rebuild_from_type_v2") => Self::FromType,
            ("collections", "OrderedDict") => Self::Dict,
            ("torch", "Size") | ("__builtin__" | "builtins", "tuple") => Self::Tuple,
            ("__builtin__" | "builtins", "set" | "frozenset" | "list") => Self::List,
            ("__builtin__" | "builtins", "dict") => Self::Dict,
            ("torch.storage", "UntypedStorage" | "_UntypedStorage")
            | ("torch", "UntypedStorage") => Self::Untyped,
            ("torch" | "torch.cuda" | "torch.storage", other) if Dtype::named(other).is_some() => {
                Self::Type(Dtype::named(other)?)
            }
            ("_codecs", "encode") => Self::Encode,
            // Classes that say of a tensor what it is, and NumPy's scalars in an optimiser's state.
            ("torch", "device" | "Tensor")
            | ("torch._tensor", "Tensor")
            | ("torch.nn.parameter", "Parameter" | "Buffer")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
            | ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer")
            | (
                "numpy",
                "dtype" | "ndarray" | "float64" | "float32" | "float16" | "int64" | "int32"
                | "uint8" | "bool_" | "bool",
            )
            | ("numpy.dtypes", _)
            | ("argparse", "Namespace")
            | ("collections", "defaultdict" | "Counter" | "deque")
            | ("datetime", "datetime" | "date" | "time" | "timedelta" | "timezone")
            | (
                "pathlib" | "pathlib._local",
                "PosixPath" | "WindowsPath" | "PurePosixPath" | "Path",
            )
            | ("copyreg" | "copy_reg", "_reconstructor")
            | ("easydict", "EasyDict")
            | (
                "__builtin__" | "builtins",
                "int" | "float" | "bool" | "str" | "complex" | "object" | "bytearray" | "slice"
                | "range",
            ) => Self::Opaque,
            _ => return None,
        })
    }
}

/// Why a pickle cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PickleError {
    /// It ends in the middle.
    #[error("it ends too early")]
    Truncated,
    /// It would call something that does not rebuild tensors.
    #[error("it names `{0}`, which no file of weights needs; nothing of it was run")]
    Name(String),
    /// No pickle, or one that contradicts itself.
    #[error("it is no pickle that can be read ({0})")]
    Malformed(&'static str),
}

/// Everything that was read, and what it came to.
#[derive(Clone, Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    /// The value.
    pub root: Value,
    /// Bytes that it took.
    pub len: usize,
}

impl Pickle {
    /// Reads one pickle at the start of `bytes`.
    ///
    /// Errors: [`PickleError`]; never a panic, whatever the bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, PickleError> {
        let mut machine = Machine {
            bytes: &bytes[..bytes.len().min(MAX_BYTES)],
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            nodes: Vec::new(),
            work: Cell::new(0),
        };
        let root = machine.run()?;
        Ok(Self {
            len: machine.at,
            nodes: machine.nodes,
            root,
        })
    }

    /// The node of a value, where it is compound.
    pub fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    /// All compound values.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The text of a value, where it is text.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.node(value) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The entries of a value, where it is a dictionary.
    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value) {
            Some(Node::Dict(entries)) => Some(entries),
            _ => None,
        }
    }

    /// The items of a value, where it is a list or a tuple.
    pub fn items(&self, value: Value) -> Option<&[Value]> {
        match self.node(value) {
            Some(Node::List(items) | Node::Tuple(items)) => Some(items),
            _ => None,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
    nodes: Vec<Node>,
    /// What of [`MAX_WORK`] is done.
    work: Cell<usize>,
}

type Result<T, E = PickleError> = std::result::Result<T, E>;

use PickleError::Malformed;

impl<'a> Machine<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n).ok_or(PickleError::Truncated)?;
        let bytes: &'a [u8] = self.bytes;
        let taken = bytes.get(self.at..end).ok_or(PickleError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    /// A little-endian number of `n <= 8` bytes.
    fn number(&mut self, n: usize) -> Result<u64> {
        let bytes = self.take(n)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |sum, &b| sum << 8 | u64::from(b)))
    }

    fn sized(&mut self, n_bytes: usize) -> Result<&'a [u8]> {
        let n = usize::try_from(self.number(n_bytes)?).map_err(|_| PickleError::Truncated)?;
        self.take(n)
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let n = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = self.take(n)?;
        self.take(1)?;
        let line = std::str::from_utf8(line).map_err(|_| Malformed("a line is not text"))?;
        Ok(line.trim_end_matches('\r'))
    }

    fn spend(&self, n: usize) -> Result<()> {
        let work = self.work.get().saturating_add(n);
        self.work.set(work);
        if work > MAX_WORK {
            return Err(Malformed("it does more than any file of weights needs"));
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn push_node(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(Value::Node(self.nodes.len() - 1));
    }

    fn push_text(&mut self, bytes: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.push_node(Node::Text(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Malformed("its stack is empty"));
        }
        self.stack.pop().ok_or(Malformed("its stack is empty"))
    }

    fn top(&self) -> Result<Value> {
        self.stack
            .last()
            .copied()
            .ok_or(Malformed("its stack is empty"))
    }

    /// Everything above the last mark.
    fn pop_mark(&mut self) -> Result<Vec<Value>> {
        let mark = self.marks.pop().ok_or(Malformed("a mark is missing"))?;
        if mark > self.stack.len() {
            return Err(Malformed("a mark is missing"));
        }
        Ok(self.stack.split_off(mark))
    }

    fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at),
            _ => None,
        }
    }

    fn memoize(&mut self, key: u64) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<()> {
        let value = self.memo.get(&key).copied();
        self.push(value.ok_or(Malformed("it recalls what was never kept"))?);
        Ok(())
    }

    fn run(&mut self) -> Result<Value> {
        loop {
            let op = self.take(1)?[0];
            self.spend(1)?;
            if op == b'.' {
                return self.pop();
            }
            self.step(op)?;
        }
    }

    fn step(&mut self, op: u8) -> Result<()> {
        match op {
            0x80 => {
                let version = self.number(1)?;
                if version > 5 {
                    return Err(Malformed("its protocol is newer than 5"));
                }
            }
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'I' | b'L' | b'F' => self.decimal(op)?,
            b'J' => {
                let v = self.number(4)? as u32 as i32;
                self.push(Value::Int(v.into()));
            }
            b'K' | b'M' => {
                let v = self.number(if op == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(v.into()));
            }
            0x8a | 0x8b => {
                let bytes = self.sized(if op == 0x8a { 1 } else { 4 })?;
                self.long(bytes);
            }
            b'G' => {
                let bytes = self.take(8)?;
                let v = bytes.iter().fold(0u64, |sum, &b| sum << 8 | u64::from(b));
                self.push(Value::Float(f64::from_bits(v)));
            }
            b'S' => {
                let line = self.line()?;
                let text = line.trim_matches(['\'', '"']);
                self.push_text(text.as_bytes())?;
            }
            b'V' => {
                let line = self.line()?;
                self.push_text(line.as_bytes())?;
            }
            b'T' | b'X' => {
                let bytes = self.sized(4)?;
                self.push_text(bytes)?;
            }
            b'U' | 0x8c => {
                let bytes = self.sized(1)?;
                self.push_text(bytes)?;
            }
            0x8d => {
                let bytes = self.sized(8)?;
                self.push_text(bytes)?;
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let n = match op {
                    b'B' => 4,
                    b'C' => 1,
                    _ => 8,
                };
                let bytes = self.sized(n)?.to_vec();
                self.push_node(Node::Bytes(bytes));
            }
            b')' => self.push_node(Node::Tuple(Vec::new())),
            b']' | 0x8f => self.push_node(Node::List(Vec::new())),
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b't' => {
                let items = self.pop_mark()?;
                self.push_node(Node::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push_node(Node::List(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push_node(Node::Dict(pairs(&items)?));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0..op - 0x84 {
                    items.push(self.pop()?);
                }
                items.reverse();
                self.push_node(Node::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![(key, value)])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                let entries = pairs(&items)?;
                self.insert(entries)?;
            }
            b'p' => {
                let key = self.key()?;
                self.memoize(key)?;
            }
            b'q' | b'r' => {
                let key = self.number(if op == b'q' { 1 } else { 4 })?;
                self.memoize(key)?;
            }
            0x94 => self.memoize(self.memo.len() as u64)?,
            b'g' => {
                let key = self.key()?;
                self.recall(key)?;
            }
            b'h' | b'j' => {
                let key = self.number(if op == b'h' { 1 } else { 4 })?;
                self.recall(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |v| match self.node(v) {
                    Some(Node::Text(text)) => Ok(text.clone()),
                    _ => Err(Malformed("a name is not text")),
                };
                let (module, name) = (text(module)?, text(name)?);
                self.name(&module, &name)?;
            }
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                let args = self.pop_mark()?;
                self.name(module, name)?;
                let call = self.pop()?;
                self.call(call, &args)?;
            }
            b'o' => {
                let items = self.pop_mark()?;
                let (call, args) = items.split_first().ok_or(Malformed("an empty call"))?;
                self.call(*call, args)?;
            }
            b'R' | 0x81 => {
                let (args, call) = (self.pop()?, self.pop()?);
                let args = self.tuple(args)?;
                self.call(call, &args)?;
            }
            0x92 => {
                let (_, args, call) = (self.pop()?, self.pop()?, self.pop()?);
                let args = self.tuple(args)?;
                self.call(call, &args)?;
            }
            // The state of an object: nothing that is read here has one that matters.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?;
            }
            0x98 => {}
            _ => return Err(Malformed("an unknown operation")),
        }
        Ok(())
    }

    fn key(&mut self) -> Result<u64> {
        let line = self.line()?;
        line.parse().map_err(|_| Malformed("a number is none"))
    }

    fn decimal(&mut self, op: u8) -> Result<()> {
        let bad = Malformed("a number is none");
        let line = self.line()?;
        let value = match (op, line) {
            (b'I', "00") => Value::Bool(false),
            (b'I', "01") => Value::Bool(true),
            (b'F', line) => Value::Float(line.parse().map_err(|_| bad)?),
            (_, line) => {
                let digits = line.trim_end_matches('L');
                match digits.parse() {
                    Ok(v) => Value::Int(v),
                    Err(_) => {
                        self.push_node(Node::Bytes(digits.as_bytes().to_vec()));
                        return Ok(());
                    }
                }
            }
        };
        self.push(value);
        Ok(())
    }

    /// A whole number in two's complement, least byte first.
    fn long(&mut self, bytes: &[u8]) {
        if bytes.len() > 16 {
            self.push_node(Node::Bytes(bytes.to_vec()));
            return;
        }
        let negative = bytes.last().is_some_and(|b| b & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i128::from_le_bytes(wide)));
    }

    fn extend(&mut self, items: Vec<Value>) -> Result<()> {
        match self.target()? {
            Some(Node::List(list)) => list.extend(items),
            Some(Node::Opaque) => {}
            _ => return Err(Malformed("it appends to what is no list")),
        }
        Ok(())
    }

    fn insert(&mut self, entries: Vec<(Value, Value)>) -> Result<()> {
        match self.target()? {
            Some(Node::Dict(dict)) => dict.extend(entries),
            Some(Node::Opaque) => {}
            _ => return Err(Malformed("it inserts into what is no dictionary")),
        }
        Ok(())
    }

    fn target(&mut self) -> Result<Option<&mut Node>> {
        Ok(match self.top()? {
            Value::Node(at) => self.nodes.get_mut(at),
            _ => None,
        })
    }

    fn name(&mut self, module: &str, name: &str) -> Result<()> {
        let Some(call) = Call::named(module, name) else {
            let text = |s: &str| -> String {
                let plain = s.chars().filter(|c| !c.is_control());
                plain.take(60).collect()
            };
            return Err(PickleError::Name(format!(
                "{}.{}",
                text(module),
                text(name)
            )));
        };
        self.push_node(Node::Name(call));
        Ok(())
    }

    fn tuple(&self, value: Value) -> Result<Vec<Value>> {
        match self.node(value) {
            Some(Node::Tuple(items)) => {
                self.spend(items.len())?;
                Ok(items.clone())
            }
            _ => Err(Malformed("the arguments of a call are no tuple")),
        }
    }

    fn call(&mut self, call: Value, args: &[Value]) -> Result<()> {
        let node = match self.node(call) {
            Some(Node::Name(call)) => self.result(*call, args)?,
            // What such an object gives when called is no tensor either.
            Some(Node::Opaque) => Node::Opaque,
            _ => return Err(Malformed("it calls what is no name")),
        };
        self.push_node(node);
        Ok(())
    }

    fn result(&self, call: Call, args: &[Value]) -> Result<Node> {
        let first = args.first().and_then(|&v| self.node(v));
        // Most calls copy what they are given.
        self.spend(match first {
            Some(Node::Dict(entries)) => entries.len(),
            Some(Node::List(items) | Node::Tuple(items)) => items.len(),
            Some(Node::Text(text)) => text.len() / 16,
            Some(Node::Storage(storage)) => storage.key.len() / 16,
            Some(Node::Tensor(tensor)) => tensor.storage.key.len() / 16,
            _ => 0,
        })?;
        Ok(match call {
            Call::Tensor => Node::Tensor(Box::new(self.tensor(args, None)?)),
            Call::TensorOfType => {
                let dtype = match args.get(6).and_then(|&v| self.node(v)) {
                    Some(Node::Name(Call::Type(dtype))) => *dtype,
                    _ => return Err(Malformed("a tensor has no type")),
                };
                Node::Tensor(Box::new(self.tensor(args, Some(dtype))?))
            }
            Call::Parameter => match first {
                Some(Node::Tensor(tensor)) => Node::Tensor(tensor.clone()),
                _ => return Err(Malformed("a parameter is no tensor")),
            },
            Call::FromType => {
                // The call inside may not be such a call again, so this ends.
                let inner = args.get(2).map(|&v| self.tuple(v)).transpose()?;
                match (first, inner) {
                    (Some(Node::Name(call)), Some(args)) if *call != Call::FromType => {
                        self.result(*call, &args)?
                    }
                    _ => return Err(Malformed("a tensor cannot be rebuilt")),
                }
            }
            Call::Dict => match first {
                Some(Node::Dict(entries)) => Node::Dict(entries.clone()),
                Some(Node::List(items)) => Node::Dict(
                    items
                        .iter()
                        .filter_map(|&pair| match self.node(pair) {
                            Some(Node::Tuple(p) | Node::List(p)) if p.len() == 2 => {
                                Some((p[0], p[1]))
                            }
                            _ => None,
                        })
                        .collect(),
                ),
                _ => Node::Dict(Vec::new()),
            },
            Call::Tuple | Call::List => match first {
                Some(Node::List(items) | Node::Tuple(items)) if call == Call::Tuple => {
                    Node::Tuple(items.clone())
                }
                Some(Node::List(items) | Node::Tuple(items)) => Node::List(items.clone()),
                _ => Node::Tuple(Vec::new()),
            },
            Call::Encode => match first {
                // Latin-1: a character is a byte.
                Some(Node::Text(text)) => {
                    Node::Bytes(text.chars().map(|c| c as u32 as u8).collect())
                }
                _ => Node::Opaque,
            },
            Call::Type(_) | Call::Untyped | Call::Opaque => Node::Opaque,
        })
    }

    fn tensor(&self, args: &[Value], dtype: Option<Dtype>) -> Result<TensorView> {
        let bad = || Malformed("a tensor cannot be rebuilt");
        let [storage, offset, shape, strides, ..] = args else {
            return Err(bad());
        };
        let Some(Node::Storage(storage)) = self.node(*storage) else {
            return Err(bad());
        };
        let dtype = dtype.or(storage.dtype).ok_or_else(bad)?;
        let numbers = |value: &Value| -> Result<Vec<usize>> {
            let items = match self.node(*value) {
                Some(Node::Tuple(items) | Node::List(items)) => items,
                _ => return Err(bad()),
            };
            items.iter().map(|v| whole(*v).ok_or_else(bad)).collect()
        };
        let (shape, strides) = (numbers(shape)?, numbers(strides)?);
        if shape.len() != strides.len() || shape.len() > 8 {
            return Err(bad());
        }
        Ok(TensorView {
            storage: storage.clone(),
            dtype,
            offset: whole(*offset).ok_or_else(bad)?,
            shape,
            strides,
        })
    }

    /// `('storage', type, key, place, length)`, with a view `(key, offset, length)` or `None` behind in old files.
    fn persistent(&mut self, id: Value) -> Result<()> {
        let bad = || Malformed("a storage cannot be found");
        let id = self.tuple(id)?;
        let [_, class, key, _, len, ..] = id.as_slice() else {
            return Err(bad());
        };
        let dtype = match self.node(*class) {
            Some(Node::Name(Call::Type(dtype))) => Some(*dtype),
            Some(Node::Name(Call::Untyped)) => None,
            _ => return Err(bad()),
        };
        let key = match (self.node(*key), key) {
            (Some(Node::Text(text)), _) => {
                self.spend(text.len() / 16)?;
                text.clone()
            }
            (_, Value::Int(number)) => number.to_string(),
            _ => return Err(bad()),
        };
        let view = id.get(5).and_then(|&v| self.node(v));
        let offset = match view {
            Some(Node::Tuple(view)) => view.get(1).and_then(|&v| whole(v)).ok_or_else(bad)?,
            _ => 0,
        };
        let len = whole(*len).ok_or_else(bad)?;
        self.push_node(Node::Storage(Storage {
            dtype,
            key,
            len,
            offset,
        }));
        Ok(())
    }
}

fn whole(value: Value) -> Option<usize> {
    match value {
        Value::Int(v) => usize::try_from(v).ok(),
        _ => None,
    }
}

fn pairs(items: &[Value]) -> Result<Vec<(Value, Value)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Malformed("a key has no value"));
    }
    Ok(pairs.iter().map(|&[k, v]| (k, v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> PickleError {
        Pickle::read(bytes).unwrap_err()
    }

    #[test]
    fn plain_data_is_read() {
        // {'a': [1, -2.5, None, True], 2: 3 << 40}
        let bytes = b"\x80\x02}(X\x01\x00\x00\x00a](K\x01G\xc0\x04\x00\x00\x00\x00\x00\x00N\x88eK\x02\x8a\x06\x00\x00\x00\x00\x00\x03u.";
        let pickle = Pickle::read(bytes).unwrap();
        let entries = pickle.dict(pickle.root).unwrap();
        assert_eq!(pickle.text(entries[0].0), Some("a"));
        let items = [
            Value::Int(1),
            Value::Float(-2.5),
            Value::None,
            Value::Bool(true),
        ];
        assert_eq!(pickle.items(entries[0].1), Some(&items[..]));
        assert_eq!(entries[1], (Value::Int(2), Value::Int(3 << 40)));
        assert_eq!(pickle.len, bytes.len());
    }

    #[test]
    fn calls_of_other_names_are_refused_by_name() {
        for (bytes, name) in [
            (&b"cos\nsystem\n(S'true'\ntR."[..], "os.system"),
            (b"(S'true'\nios\nsystem\n.", "os.system"),
            (
                b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x01x\x85R.",
                "builtins.eval",
            ),
            (
                b"\x80\x02ctorch_utils.persistence\n_reconstruct_persistent_obj\n.",
                "torch_utils.persistence._reconstruct_persistent_obj",
            ),
            (b"ctorch.hub\nload\n.", "torch.hub.load"),
        ] {
            assert_eq!(error(bytes), PickleError::Name(name.to_owned()));
        }
    }

    #[test]
    fn what_copies_its_own_copies_ends() {
        // A dictionary of many entries, copied at every call.
        let mut bytes = b"\x80\x02}(".to_vec();
        for _ in 0..10_000 {
            bytes.extend(b"K\x01N");
        }
        bytes.extend(b"uq\x00ccollections\nOrderedDict\nq\x01");
        for _ in 0..10_000 {
            bytes.extend(b"h\x01h\x00\x85R");
        }
        bytes.push(b'.');
        assert!(matches!(error(&bytes), PickleError::Malformed(_)));
    }

    #[test]
    fn a_dictionary_of_itself_and_deep_nesting_are_only_data() {
        let bytes = b"}q\x00(K\x01h\x00u.";
        assert!(Pickle::read(bytes).is_ok());
        let deep = [&b"]"[..], &[0x85; 200_000], b"."].concat();
        drop(Pickle::read(&deep).unwrap());
    }

    #[test]
    fn every_start_of_a_pickle_is_an_error() {
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01](K\x01eu.";
        for n in 0..bytes.len() {
            assert!(Pickle::read(&bytes[..n]).is_err(), "{n}");
        }
        for op in 0..=255 {
            let _ = Pickle::read(&[op, op, op, op, op, op, op, op, op, op, b'.']);
        }
    }
}
