//! Protocol buffers' wire format: fields by number.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// A variable-length number.
    Number(u64),
    /// Four or eight bytes.
    Fixed(&'a [u8]),
    /// Text, bytes, or a message.
    Bytes(&'a [u8]),
}

/// A variable-length number at the start of `bytes`, which then starts behind it.
pub fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for i in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message, in order; a `None` among them, the last, where the bytes are no message.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields(bytes)
}

/// See [`fields`].
pub struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = varint(&mut self.0)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut self.0)?),
            1 => Field::Fixed(self.take(8)?),
            5 => Field::Fixed(self.take(4)?),
            2 => {
                let n = usize::try_from(varint(&mut self.0)?).ok()?;
                Field::Bytes(self.take(n)?)
            }
            _ => return None,
        };
        let number = key >> 3;
        (number > 0).then_some((number, field))
    }
}

/// A message that is being written.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }

    /// A number.
    pub fn number(&mut self, field: u64, v: u64) {
        self.varint(field << 3);
        self.varint(v);
    }

    /// Text or bytes.
    pub fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message inside.
    pub fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// The fields of another message behind these.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
