//! Named tensors of another program's file, read in double precision where they are wanted.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::ImportError;
use super::pickle::Dtype;
use crate::config::Coupling;

/// Numbers in a file: any shape, any strides, any type.
#[derive(Clone, Debug)]
pub struct NumberView<'a> {
    data: Cow<'a, [u8]>,
    dtype: Dtype,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// How many the data has: any beyond are the last one again.
    len: usize,
}

impl<'a> NumberView<'a> {
    /// A view of `data`; `None` where it reaches beyond.
    pub fn strided(
        data: impl Into<Cow<'a, [u8]>>,
        dtype: Dtype,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Option<Self> {
        let data = data.into();
        let available = data.len() / dtype.bytes();
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if count > 0 {
            let mut last = offset;
            for (d, s) in shape.iter().zip(&strides) {
                last = last.checked_add((d - 1).checked_mul(*s)?)?;
            }
            if last >= available {
                return None;
            }
        }
        Some(Self {
            data,
            dtype,
            offset,
            shape,
            strides,
            len: available,
        })
    }

    /// Row-major numbers of which `data` holds the first; the last of those stands for all that are missing. `None` where there
    /// is none, or too many.
    pub fn filled(data: Vec<u8>, dtype: Dtype, shape: Vec<usize>) -> Option<Self> {
        let len = data.len() / dtype.bytes();
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if len == 0 || count < len {
            return None;
        }
        Some(Self {
            data: Cow::Owned(data),
            dtype,
            offset: 0,
            strides: row_major(&shape)?,
            shape,
            len,
        })
    }

    /// Row-major numbers that fill `data`.
    pub fn dense(data: Cow<'a, [u8]>, dtype: Dtype, shape: Vec<usize>) -> Option<Self> {
        let strides = row_major(&shape)?;
        Self::strided(data, dtype, 0, shape, strides)
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Numbers in it.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn at(&self, index: usize) -> f64 {
        let n = self.dtype.bytes();
        let index = index.min(self.len - 1);
        let bytes = &self.data[index * n..(index + 1) * n];
        fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
            bytes.first_chunk().copied().unwrap_or([0; N])
        }
        match self.dtype {
            Dtype::F64 => f64::from_le_bytes(of(bytes)),
            Dtype::F32 => f32::from_le_bytes(of(bytes)).into(),
            Dtype::F16 => half::f16::from_le_bytes(of(bytes)).into(),
            Dtype::Bf16 => half::bf16::from_le_bytes(of(bytes)).into(),
            Dtype::I64 => i64::from_le_bytes(of(bytes)) as f64,
            Dtype::I32 => i32::from_le_bytes(of(bytes)).into(),
            Dtype::I16 => i16::from_le_bytes(of(bytes)).into(),
            Dtype::I8 => i8::from_le_bytes(of(bytes)).into(),
            Dtype::U8 | Dtype::Bool => bytes[0].into(),
        }
    }

    /// All numbers, row-major.
    pub fn to_vec(&self) -> Vec<f64> {
        let count = self.count();
        let mut out = Vec::with_capacity(count);
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..count {
            out.push(self.at(at));
            for d in (0..index.len()).rev() {
                index[d] += 1;
                at += self.strides[d];
                if index[d] < self.shape[d] {
                    break;
                }
                at -= self.strides[d] * self.shape[d];
                index[d] = 0;
            }
        }
        out
    }
}

fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1usize; shape.len()];
    for at in (1..shape.len()).rev() {
        strides[at - 1] = strides[at].checked_mul(shape[at])?;
    }
    Some(strides)
}

/// Tensors by name.
#[derive(Clone, Debug, Default)]
pub struct Tensors<'a> {
    by_name: BTreeMap<String, NumberView<'a>>,
    /// How many numbers may still be read: tensors that share their numbers, or that are one number again and again, must not
    /// come to more than a file of this size can honestly hold.
    budget: Rc<Cell<usize>>,
}

/// Numbers that may be read of any file, however short.
const FREE_NUMBERS: usize = 1 << 20;

impl<'a> Tensors<'a> {
    /// One more.
    pub fn insert(&mut self, name: &str, numbers: NumberView<'a>) {
        self.by_name.insert(name.to_owned(), numbers);
    }

    /// The same, of a file of so many bytes.
    pub fn within(self, n_bytes: usize) -> Self {
        self.budget.set(n_bytes.saturating_add(FREE_NUMBERS));
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The names from this one on, sorted.
    fn names_from(&self, first: &str) -> impl Iterator<Item = &str> {
        let names = self.by_name.range(first.to_owned()..);
        names.map(|(name, _)| name.as_str())
    }

    /// Whether a name starts so.
    pub fn has_below(&self, prefix: &str) -> bool {
        let mut names = self.names_from(prefix);
        names.next().is_some_and(|name| name.starts_with(prefix))
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The same without a prefix that all names have, where they have it.
    pub fn without_prefix(self, prefix: &str) -> Self {
        if !self.names().all(|name| name.starts_with(prefix)) {
            return self;
        }
        let cut =
            |(name, numbers): (String, NumberView<'a>)| (name[prefix.len()..].to_owned(), numbers);
        Self {
            by_name: self.by_name.into_iter().map(cut).collect(),
            budget: self.budget,
        }
    }

    /// Those below a prefix, without it.
    pub fn below(&self, prefix: &str) -> Self {
        let below = self.by_name.range(prefix.to_owned()..);
        let below = below.map_while(|(name, numbers)| {
            Some((name.strip_prefix(prefix)?.to_owned(), numbers.clone()))
        });
        Self {
            by_name: below.collect(),
            budget: Rc::clone(&self.budget),
        }
    }

    /// The numbers of a name.
    ///
    /// Errors: there are none.
    pub fn find(&self, name: &str) -> Result<&NumberView<'a>, ImportError> {
        self.by_name
            .get(name)
            .ok_or_else(|| ImportError::damaged(&format!("the tensor {name} is missing")))
    }

    /// The shape of a name, where there is such a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.by_name.get(name).map(NumberView::shape)
    }

    /// The numbers of a name, which must be of this shape but for dimensions of 1.
    ///
    /// Errors: they are missing, of another shape, or not finite.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, ImportError> {
        let numbers = self.find(name)?;
        let long =
            |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&d| d != 1).collect() };
        if long(numbers.shape()) != long(shape) {
            return Err(ImportError::damaged(&format!(
                "the tensor {name} has the shape {:?}, where {shape:?} is needed",
                numbers.shape()
            )));
        }
        let Some(left) = self.budget.get().checked_sub(numbers.count()) else {
            return Err(ImportError::damaged(
                "its tensors come to more numbers than are in it",
            ));
        };
        self.budget.set(left);
        let numbers = numbers.to_vec();
        match numbers.iter().position(|v| !v.is_finite()) {
            None => Ok(numbers),
            Some(at) => Err(ImportError::damaged(&format!(
                "{name}[{at}] is {}, not a finite number",
                numbers[at]
            ))),
        }
    }
}

/// The numbers that follow `prefix` in names, sorted.
pub(super) fn indices(tensors: &Tensors, prefix: &str) -> Vec<usize> {
    let number = |name: &str| -> Option<usize> {
        let rest = name.strip_prefix(prefix)?;
        rest.split('.').next()?.parse().ok()
    };
    let names = tensors
        .names_from(prefix)
        .take_while(|name| name.starts_with(prefix));
    let mut found: Vec<usize> = names.filter_map(number).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// How many there are of the numbers 0, 1, 2, .. that follow `prefix`.
pub(super) fn count(tensors: &Tensors, prefix: &str) -> usize {
    let found = indices(tensors, prefix);
    let in_order = found.iter().enumerate().take_while(|(i, n)| i == *n);
    in_order.count().min(MAX_COUNT)
}

/// Levels and steps that are looked at; no config allows as many.
pub(super) const MAX_COUNT: usize = 300;

/// The shape of a convolution's weights `[out, in, k, k]`.
pub(super) fn shape4(tensors: &Tensors, name: &str) -> Result<[usize; 4], ImportError> {
    match *tensors.find(name)?.shape() {
        // Nothing of a model is larger; products of these cannot overflow.
        [a, b, c, d] if [a, b, c, d].iter().all(|&n| n > 0 && n <= 1 << 16) => Ok([a, b, c, d]),
        ref shape => Err(ImportError::damaged(&format!(
            "the tensor {name} has the shape {shape:?}, which is no convolution's"
        ))),
    }
}

/// The coupling whose network has `out` output channels for a flow of `c`.
pub(super) fn coupling(out: usize, c: usize) -> Result<Coupling, ImportError> {
    match out {
        out if out == c => Ok(Coupling::Affine),
        out if out == c / 2 => Ok(Coupling::Additive),
        _ => Err(ImportError::damaged(&format!(
            "a coupling network gives {out} channels for a flow of {c}"
        ))),
    }
}
