//! The kernels against their definitions, and the checked-in PTX against both.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor};

use super::definitions;
use super::kernel::{Kernel, Sizes};
use super::launch::Launch;
use crate::noise::Noise;

const SOURCE: &str = include_str!("kernels.cu");
const PTX: &str = include_str!("kernels.ptx");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/device")
}

/// The kernels, compiled for the CPU; `None` where there is no C compiler.
fn harness(folder_out: &Path) -> Option<PathBuf> {
    let program = folder_out.join("harness");
    let output = Command::new("cc")
        .args(["-std=c11", "-O1", "-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(folder().join("harness.c"))
        .arg("-lm")
        .output()
        .ok()?;
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    Some(program)
}

/// Runs a kernel of the harness; gives what it left in its last buffer.
fn run_in_c(
    program: &Path,
    kernel: Kernel,
    n: usize,
    buffers: &[Vec<f32>],
    sizes: &[usize],
) -> Vec<f32> {
    let mut child = Command::new(program)
        .arg(kernel.name())
        .args(std::iter::once(&n).chain(sizes).map(ToString::to_string))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut bytes = (buffers.len() as u32).to_le_bytes().to_vec();
    for buffer in buffers {
        bytes.extend((buffer.len() as u32).to_le_bytes());
        bytes.extend(buffer.iter().flat_map(|v| v.to_le_bytes()));
    }
    // Dropped at the end of the statement: the child sees the end of its input.
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{kernel:?}: {}", output.status);
    let floats = output.stdout.chunks_exact(4);
    floats
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// Launches of every kernel: threads and sizes. Two or three pictures, one pixel, odd halves, every kind of bias.
fn launches() -> Vec<(Kernel, usize, Vec<usize>)> {
    let mut all = Vec::new();
    for (pictures, side, m) in [(2, 4, 6), (3, 1, 2), (1, 6, 5), (2, 2, 24)] {
        let rows = pictures * side * side;
        let c = 2 * m;
        for stride in [c, c + 3] {
            all.push((Kernel::Gather, rows * m, vec![side, m, stride]));
            all.push((Kernel::Squeeze, rows * 4 * m, vec![side, m, stride]));
        }
        let even = 2 * side;
        for stride in [m, c] {
            let threads = pictures * even * even * stride;
            all.push((Kernel::Unsqueeze, threads, vec![even, m, stride]));
        }
        for by_class in [0, 1] {
            let sizes = vec![side, m, by_class];
            all.push((Kernel::BiasRelu, rows * m, sizes.clone()));
            all.push((Kernel::CoupleAffine, rows * m, sizes.clone()));
            all.push((Kernel::UncoupleAffine, rows * m, sizes.clone()));
            for inverse in [0, 1] {
                let sizes = vec![side, m, by_class, inverse];
                all.push((Kernel::CoupleAdditive, rows * m, sizes));
            }
            for kernel in [Kernel::EpsFromZ, Kernel::ZFromEps] {
                for period in [1, side * side, rows] {
                    all.push((kernel, rows * m, vec![side, m, c, m, period, by_class]));
                    all.push((kernel, rows * c, vec![side, c, c, 0, period, by_class]));
                }
            }
        }
    }
    all
}

fn sizes_of(sizes: &[usize]) -> Sizes {
    let mut given = Sizes::default();
    given
        .iter_mut()
        .zip(sizes)
        .for_each(|(to, &v)| *to = v as u32);
    given
}

#[test]
fn kernels_agree_with_their_definitions() {
    let out = tempfile::tempdir().unwrap();
    let Some(program) = harness(out.path()) else {
        println!("skipped: no C compiler");
        return;
    };
    let mut noise = Noise::with_stream(3, 1);
    let mut tried = std::collections::HashSet::new();
    for (kernel, n, sizes) in launches() {
        let (_, _, lengths) = kernel.lengths(n, &sizes_of(&sizes));
        // Exactly as long as the kernel is said to need: an access beyond would be one beyond the buffer.
        let buffers: Vec<Vec<f32>> = lengths
            .iter()
            .map(|&len| (0..len).map(|_| 2.0 * noise.normal()).collect())
            .collect();
        let (mut expected, inputs) = (
            buffers.last().unwrap().clone(),
            &buffers[..lengths.len() - 1],
        );
        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        definitions::run(kernel, n, &inputs, &mut expected, &sizes_of(&sizes));
        let given = run_in_c(&program, kernel, n, &buffers, &sizes);
        assert_eq!(given.len(), expected.len());
        for (i, (a, b)) in given.iter().zip(&expected).enumerate() {
            let close = (a - b).abs() <= 1e-5 * (1.0 + b.abs());
            assert!(close, "{kernel:?} {n} {sizes:?} at {i}: {a} and {b}");
        }
        tried.insert(kernel.name());
    }
    assert_eq!(tried.len(), Kernel::ALL.len());
}

/// A kernel with other parameters than its launches push would read memory that is not there.
#[test]
fn parameters_in_the_ptx_are_those_of_the_launches() {
    for kernel in Kernel::ALL {
        let entry = format!(".visible .entry {}(", kernel.name());
        let (_, rest) = PTX.split_once(&entry).unwrap();
        let (parameters, _) = rest.split_once(')').unwrap();
        let kinds: Vec<&str> = parameters
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".param ."))
            .map(|line| &line[..3])
            .collect();
        let (_, _, lengths) = kernel.lengths(48, &[1; 6]);
        let mut expected = vec!["u32"];
        expected.extend(vec!["u64"; lengths.len()]);
        expected.extend(vec!["u32"; kernel.n_sizes()]);
        assert_eq!(kinds, expected, "{kernel:?}");
    }
}

/// The POSIX `cksum` of a text.
fn cksum(text: &str) -> u32 {
    // A checkout may have other line ends.
    let bytes: Vec<u8> = text.bytes().filter(|&b| b != b'\r').collect();
    let mut length = bytes.len();
    let mut tail = Vec::new();
    while length > 0 {
        tail.push(length as u8);
        length >>= 8;
    }
    let mut crc = 0u32;
    for byte in bytes.into_iter().chain(tail) {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 {
                (crc << 1) ^ 0x04c1_1db7
            } else {
                crc << 1
            };
        }
    }
    !crc
}

#[test]
fn the_ptx_is_made_from_this_source() {
    let first = PTX.lines().next().unwrap();
    assert!(
        first.contains(&format!("cksum is {};", cksum(SOURCE))),
        "kernels.cu has changed: run build_ptx.sh"
    );
}

#[test]
fn a_launch_beyond_its_tensors_is_refused() {
    let floats = |n: usize| Tensor::zeros(n, candle_core::DType::F32, &Device::Cpu).unwrap();
    let (x, bias) = (floats(2 * 16 * 4), floats(2));
    let gather = |x: &Tensor, threads, sizes: &[usize]| {
        Launch::make(Kernel::Gather, threads, &[x, &bias], sizes)
    };
    assert_eq!(gather(&x, 64, &[4, 2, 4]).unwrap().dims(), [64 * 9]);
    for (threads, sizes) in [
        (64, vec![4, 2, 5]), // wider rows than there are
        (60, vec![4, 2, 4]), // part of a picture
        (63, vec![4, 2, 4]), // part of a row
        (65, vec![4, 2, 4]),
        (64, vec![4, 0, 4]),
        (64, vec![4, 4, 4]), // more bias than there is
        (64, vec![4, 2, 1]), // columns beyond the row
        (64, vec![4, 2]),
        (0, vec![4, 2, 4]),
    ] {
        assert!(gather(&x, threads, &sizes).is_err(), "{threads} {sizes:?}");
    }
    let gaps = x.reshape((32, 4)).unwrap().narrow(1, 0, 3).unwrap();
    assert!(gather(&gaps, 32, &[4, 2, 2]).is_err());
}

#[test]
fn weights_unpack_to_what_was_packed() {
    use crate::kernels::PackedMatrix;
    use crate::kernels::bf16::Arithmetic;

    // Small whole numbers, which bf16 holds exactly.
    let entry = |i: usize, j: usize| (i * 7 + j * 3) as f32 % 100.0 - 50.0;
    for (k, n) in [(1, 1), (5, 37), (8, 48), (54, 64)] {
        let expected: Vec<f32> = (0..k * n).map(|at| entry(at / n, at % n)).collect();
        for arithmetic in [Arithmetic::F32, Arithmetic::Bf16] {
            let packed = PackedMatrix::with_arithmetic(k, n, arithmetic, entry);
            assert_eq!(packed.to_rows(), expected, "{k}x{n} {arithmetic:?}");
        }
    }
}

#[test]
fn the_probe_passes_on_the_cpu() {
    super::launch::probe(&Device::Cpu).unwrap();
}

#[test]
fn a_panic_while_a_device_is_opened_is_an_error() {
    let error = super::attempt("CUDA", || panic!("no library")).unwrap_err();
    assert!(error.to_string().contains("--device cpu"), "{error}");
}
