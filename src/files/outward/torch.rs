//! Writes PyTorch's zip archives: one dictionary of tensors.

/// A tensor of a state dict.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub numbers: StorageNumbers,
}

pub(super) enum StorageNumbers {
    F32(Vec<f32>),
    U8(Vec<u8>),
}

impl StorageNumbers {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::U8(v) => v.clone(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::U8(v) => v.len(),
        }
    }

    fn class(&self) -> &'static str {
        match self {
            Self::F32(_) => "FloatStorage",
            Self::U8(_) => "ByteStorage",
        }
    }
}

/// The archive of these tensors.
pub(super) fn archive(tensors: &[Tensor]) -> Vec<u8> {
    let mut zip = Zip::default();
    zip.add("archive/data.pkl", &pickle(tensors));
    zip.add("archive/byteorder", b"little");
    for (i, tensor) in tensors.iter().enumerate() {
        zip.add(&format!("archive/data/{i}"), &tensor.numbers.bytes());
    }
    zip.add("archive/version", b"3\n");
    zip.finish()
}

/// A pickle of protocol 2: an OrderedDict from names to tensors, each a view of storage number `i`.
fn pickle(tensors: &[Tensor]) -> Vec<u8> {
    let mut p = vec![0x80, 2];
    name(&mut p, "collections", "OrderedDict");
    p.extend(b")R(");
    for (i, tensor) in tensors.iter().enumerate() {
        text(&mut p, &tensor.name);
        name(&mut p, "torch._utils", "_rebuild_tensor_v2");
        p.extend(b"((");
        text(&mut p, "storage");
        name(&mut p, "torch", tensor.numbers.class());
        text(&mut p, &i.to_string());
        text(&mut p, "cpu");
        int(&mut p, tensor.numbers.len());
        p.extend(b"tQ");
        int(&mut p, 0);
        p.push(b'(');
        tensor.shape.iter().for_each(|&d| int(&mut p, d));
        p.extend(b"t(");
        for at in 0..tensor.shape.len() {
            int(&mut p, tensor.shape[at + 1..].iter().product());
        }
        // No gradient, no hooks.
        p.extend(b"t\x89");
        name(&mut p, "collections", "OrderedDict");
        p.extend(b")RtR");
    }
    p.extend(b"u.");
    p
}

fn name(p: &mut Vec<u8>, module: &str, name: &str) {
    p.extend(format!("c{module}\n{name}\n").bytes());
}

fn text(p: &mut Vec<u8>, text: &str) {
    p.push(b'X');
    p.extend((text.len() as u32).to_le_bytes());
    p.extend(text.bytes());
}

fn int(p: &mut Vec<u8>, v: usize) {
    // Eight bytes hold any length, and the ninth keeps it positive.
    p.extend([0x8a, 9]);
    p.extend((v as u64).to_le_bytes());
    p.push(0);
}

/// An archive of stored entries.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u64,
}

impl Zip {
    fn add(&mut self, name: &str, data: &[u8]) {
        let crc = crc32(data);
        let (size, offset) = (data.len() as u64, self.bytes.len() as u64);
        // Sizes and place stand in an extra field of 64 bits each, so that no model is too large.
        let mut sizes = Vec::from(1u16.to_le_bytes());
        sizes.extend(16u16.to_le_bytes());
        sizes.extend(size.to_le_bytes());
        sizes.extend(size.to_le_bytes());
        // PyTorch wants the numbers at multiples of 64.
        let start = offset as usize + 30 + name.len() + sizes.len() + 4;
        let fill = (64 - start % 64) % 64;
        let mut local_extra = sizes.clone();
        local_extra.extend(0x4246u16.to_le_bytes());
        local_extra.extend((fill as u16).to_le_bytes());
        local_extra.resize(local_extra.len() + fill, b'Z');
        self.bytes.extend(b"PK\x03\x04");
        let common = common(crc, name.len());
        self.bytes.extend(&common);
        self.bytes.extend((local_extra.len() as u16).to_le_bytes());
        self.bytes.extend(name.bytes());
        self.bytes.extend(local_extra);
        self.bytes.extend(data);
        let mut extra = Vec::from(1u16.to_le_bytes());
        extra.extend(24u16.to_le_bytes());
        for v in [size, size, offset] {
            extra.extend(v.to_le_bytes());
        }
        self.directory.extend(b"PK\x01\x02\x2d\x00");
        self.directory.extend(&common);
        self.directory.extend((extra.len() as u16).to_le_bytes());
        // No comment, first disk, no attributes; the place is in the extra field.
        self.directory.extend([0; 10]);
        self.directory.extend(u32::MAX.to_le_bytes());
        self.directory.extend(name.bytes());
        self.directory.extend(extra);
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let start = self.bytes.len() as u64;
        let size = self.directory.len() as u64;
        self.bytes.append(&mut self.directory);
        let record = self.bytes.len() as u64;
        self.bytes.extend(b"PK\x06\x06");
        self.bytes.extend(44u64.to_le_bytes());
        self.bytes.extend([0x2d, 0, 0x2d, 0]);
        self.bytes.extend([0; 8]);
        for v in [self.count, self.count, size, start] {
            self.bytes.extend(v.to_le_bytes());
        }
        self.bytes.extend(b"PK\x06\x07\0\0\0\0");
        self.bytes.extend(record.to_le_bytes());
        self.bytes.extend(1u32.to_le_bytes());
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend([0xff; 12]);
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

/// What local header and directory have in common: version, flags, method, time, checksum, sizes, length of the name.
fn common(crc: u32, n_name: usize) -> Vec<u8> {
    let mut common = vec![0x2d, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    common.extend(crc.to_le_bytes());
    common.extend([0xff; 8]);
    common.extend((n_name as u16).to_le_bytes());
    common
}

/// The checksum of zip files, polynomial 0xedb88320.
fn crc32(data: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|i| {
        (0..8).fold(i as u32, |v, _| {
            if v & 1 == 1 {
                v >> 1 ^ 0xedb8_8320
            } else {
                v >> 1
            }
        })
    });
    let step = |crc: u32, &b: &u8| table[((crc ^ u32::from(b)) & 0xff) as usize] ^ crc >> 8;
    !data.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
