//! One launch of a kernel as an operation on candle tensors.
//!
//! The sizes that a kernel is given say how much of each buffer it touches ([`Kernel::lengths`]). Every tensor is
//! checked against that before anything runs, so that no kernel can reach beyond a buffer.

use candle_core::{
    CpuStorage, CustomOp1, Device, InplaceOp1, Layout, Result, Shape, Storage, Tensor,
};

use super::definitions;
use super::kernel::{Kernel, Sizes};

/// One launch: a kernel, its inputs, its sizes.
pub(super) struct Launch {
    kernel: Kernel,
    threads: usize,
    /// The inputs, less the first where that is the tensor that the operation is applied to.
    with: Vec<Tensor>,
    sizes: Sizes,
    /// Floats that it writes.
    len: usize,
}

impl Launch {
    /// A launch that makes a new tensor `[len]` of `inputs`.
    ///
    /// Errors: tensors too short for the sizes, or not dense; what the device says.
    pub(super) fn make(
        kernel: Kernel,
        threads: usize,
        inputs: &[&Tensor],
        sizes: &[usize],
    ) -> Result<Tensor> {
        let launch = Self::new(kernel, threads, inputs, None, sizes)?;
        match inputs {
            [first, with @ ..] => first.apply_op1_no_bwd(&Self {
                with: with.iter().map(|&t| t.clone()).collect(),
                ..launch
            }),
            [] => candle_core::bail!("{}: no inputs", kernel.name()),
        }
    }

    /// A launch that changes `target`, which must share its memory with none of `inputs`.
    ///
    /// Errors: as [`Launch::make`].
    pub(super) fn change(
        kernel: Kernel,
        threads: usize,
        inputs: &[&Tensor],
        target: &Tensor,
        sizes: &[usize],
    ) -> Result<()> {
        let launch = Self::new(kernel, threads, inputs, Some(target), sizes)?;
        target.inplace_op1(&Self {
            with: inputs.iter().map(|&t| t.clone()).collect(),
            ..launch
        })
    }

    fn new(
        kernel: Kernel,
        threads: usize,
        inputs: &[&Tensor],
        target: Option<&Tensor>,
        sizes: &[usize],
    ) -> Result<Self> {
        let name = kernel.name();
        if sizes.len() != kernel.n_sizes() {
            candle_core::bail!("{name}: {} sizes", sizes.len());
        }
        let mut given = Sizes::default();
        for (to, &size) in given.iter_mut().zip(sizes) {
            *to = number(name, size)?;
        }
        let (rows, side, lengths) = kernel.lengths(threads, &given);
        let pixels = side * side;
        let is_whole = threads > 0
            && pixels > 0
            && rows.is_multiple_of(pixels)
            && threads.is_multiple_of(kernel.threads_a_row(&given).max(1));
        if !is_whole || !kernel.columns_fit(&given) {
            candle_core::bail!(
                "{name}: {threads} threads and sizes {sizes:?} are no whole pictures"
            );
        }
        let n_inputs = lengths.len() - 1;
        if inputs.len() != n_inputs {
            candle_core::bail!("{name}: {} inputs", inputs.len());
        }
        for (i, (tensor, &len)) in inputs
            .iter()
            .copied()
            .chain(target)
            .zip(&lengths)
            .enumerate()
        {
            if tensor.elem_count() < len || !tensor.is_contiguous() {
                let dims = tensor.dims();
                candle_core::bail!("{name}: tensor {i} is {dims:?}, needed are {len} in a row");
            }
        }
        // Kernels count in 32 bits.
        for &len in &lengths {
            number(name, len)?;
        }
        Ok(Self {
            kernel,
            threads,
            with: Vec::new(),
            sizes: given,
            len: lengths[n_inputs],
        })
    }
}

/// A count for a kernel. Threads beyond the end are numbered too, so there is room above.
fn number(name: &str, value: usize) -> Result<u32> {
    match u32::try_from(value) {
        Ok(value) if value <= 1 << 31 => Ok(value),
        _ => candle_core::bail!("{name}: {value} numbers are too many for one launch"),
    }
}

/// Runs one kernel: whether the device's driver takes them.
///
/// Errors: it does not.
pub(super) fn probe(device: &Device) -> Result<()> {
    let coarse = Tensor::from_slice(&[1f32, 2.0, 3.0, 4.0], 4, device)?;
    let fine = Launch::make(Kernel::Unsqueeze, 4, &[&coarse, &coarse], &[2, 1, 1])?;
    match fine.to_vec1::<f32>()?.as_slice() {
        [2.0, 4.0, 6.0, 8.0] => Ok(()),
        wrong => candle_core::bail!("it computes {wrong:?} for 2, 4, 6, 8"),
    }
}

/// Where a dense tensor begins and ends in its storage.
fn extent(layout: &Layout) -> Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => candle_core::bail!("a tensor with gaps"),
    }
}

/// The floats of a tensor in host memory.
fn host<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    Ok(&storage.as_slice::<f32>()?[extent(layout)?])
}

impl Launch {
    /// Runs the definition on host memory; `first` are inputs before those of the launch.
    fn run_on_host(&self, first: &[&[f32]], out: &mut [f32]) -> Result<()> {
        let guards: Vec<_> = self.with.iter().map(Tensor::storage_and_layout).collect();
        let mut inputs = first.to_vec();
        for (storage, layout) in &guards {
            match &**storage {
                Storage::Cpu(storage) => inputs.push(host(storage, layout)?),
                _ => candle_core::bail!("{}: tensors of two devices", self.kernel.name()),
            }
        }
        definitions::run(self.kernel, self.threads, &inputs, out, &self.sizes);
        Ok(())
    }
}

impl CustomOp1 for Launch {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut out = vec![0.0; self.len];
        self.run_on_host(&[host(storage, layout)?], &mut out)?;
        Ok((CpuStorage::F32(out), self.len.into()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        storage: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        cuda::make(self, storage, layout)
    }
}

impl InplaceOp1 for Launch {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        match storage {
            CpuStorage::F32(data) => self.run_on_host(&[], &mut data[extent(layout)?]),
            _ => candle_core::bail!("{}: not single precision", self.kernel.name()),
        }
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, storage: &mut candle_core::CudaStorage, layout: &Layout) -> Result<()> {
        cuda::change(self, storage, layout)
    }
}

/// Launches on a CUDA device.
#[cfg(feature = "cuda")]
mod cuda {
    use candle_core::cuda::WrapErr;
    use candle_core::cuda::cudarc::driver::{CudaView, CudaViewMut, LaunchConfig, PushKernelArg};
    use candle_core::{CudaDevice, CudaStorage, Layout, Result, Shape, Storage};

    use super::{Launch, Tensor, extent};

    /// `kernels.cu`, compiled by `build_ptx.sh`; the driver compiles it further for its GPU.
    const PTX: &str = include_str!("kernels.ptx");
    const MODULE: &str = "glow_explorer";

    /// Threads of a block.
    const BLOCK: u32 = 256;

    pub(super) fn make(
        launch: &Launch,
        storage: &CudaStorage,
        layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let device = storage.device.clone();
        let first = storage.as_cuda_slice::<f32>()?.slice(extent(layout)?);
        // SAFETY: the memory is not initialised. Nothing reads it before the launch below, which writes all of it:
        // `Launch::new` took the length from the kernel's own sizes.
        let mut out = unsafe { device.alloc::<f32>(launch.len)? };
        run(launch, &device, Some(first), out.slice_mut(..))?;
        Ok((CudaStorage::wrap_cuda_slice(out, device), launch.len.into()))
    }

    pub(super) fn change(
        launch: &Launch,
        storage: &mut CudaStorage,
        layout: &Layout,
    ) -> Result<()> {
        let device = storage.device.clone();
        let out = storage.as_cuda_slice_mut::<f32>()?;
        run(launch, &device, None, out.slice_mut(extent(layout)?))
    }

    fn run(
        launch: &Launch,
        device: &CudaDevice,
        first: Option<CudaView<f32>>,
        mut out: CudaViewMut<f32>,
    ) -> Result<()> {
        let name = launch.kernel.name();
        let guards: Vec<_> = launch.with.iter().map(Tensor::storage_and_layout).collect();
        let mut inputs: Vec<CudaView<f32>> = first.into_iter().collect();
        for (storage, layout) in &guards {
            match &**storage {
                Storage::Cuda(storage) => {
                    inputs.push(storage.as_cuda_slice::<f32>()?.slice(extent(layout)?));
                }
                _ => candle_core::bail!("{name}: tensors of two devices"),
            }
        }
        let function = device.get_or_load_custom_func(name, MODULE, PTX)?;
        let n = super::number(name, launch.threads)?;
        let mut builder = function.builder();
        builder.arg(&n);
        for input in &inputs {
            builder.arg(input);
        }
        builder.arg(&mut out);
        for size in &launch.sizes[..launch.kernel.n_sizes()] {
            builder.arg(size);
        }
        let config = LaunchConfig {
            grid_dim: (n.div_ceil(BLOCK), 1, 1),
            block_dim: (BLOCK, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments are those of the kernel's signature, in its order (a test compares both with the PTX).
        // `Launch::new` checked every buffer against what the kernel touches for these sizes, and that all counts fit
        // 32 bits. `out` is borrowed exclusively and inputs are behind read locks until the launch is in the stream;
        // memory is freed in the same stream, hence after it.
        unsafe { builder.launch(config) }.w()?;
        Ok(())
    }
}
