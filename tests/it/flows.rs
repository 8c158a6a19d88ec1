//! Every bijector against its own inverse and against the Jacobian, whole models too.

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use glow_explorer::flow::Bijector;
use glow_explorer::flow::actnorm::ActNorm;
use glow_explorer::flow::coupling::CouplingLayer;
use glow_explorer::flow::permutation::Mixing;
use glow_explorer::flow::squeeze::Squeeze;
use glow_explorer::flow::step::Step;
use glow_explorer::linalg::Matrix;
use glow_explorer::model::GlowConfig;
use glow_explorer::model::glow::{Glow, tensors};
use glow_explorer::model::pixels::largest_difference;
use glow_explorer::noise::Noise;

use crate::support::{chains, configs, lively, pictures};

fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn noise(shape: (usize, usize, usize, usize)) -> Tensor {
    let mut data = vec![0.0; shape.0 * shape.1 * shape.2 * shape.3];
    Noise::new(4).fill_normal(&mut data);
    data.iter_mut().for_each(|v| *v *= 0.4);
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// `ln |det dz/dx|` of one picture, by central differences.
fn log_det_of_jacobian(map: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> f64 {
    let h = 1e-2f32;
    let base = numbers(x);
    let d = base.len();
    let mut columns = Vec::with_capacity(d);
    for i in 0..d {
        let at = |sign: f32| {
            let mut moved = base.clone();
            moved[i] += sign * h;
            numbers(&map(
                &Tensor::from_vec(moved, x.shape(), &Device::Cpu).unwrap()
            ))
        };
        let (up, down) = (at(1.0), at(-1.0));
        columns.push(
            up.iter()
                .zip(&down)
                .map(|(a, b)| f64::from(a - b) / f64::from(2.0 * h))
                .collect::<Vec<_>>(),
        );
    }
    Matrix::from_fn(d, |i, j| columns[j][i]).log_abs_det()
}

#[track_caller]
fn check_bijector(name: &str, flow: &dyn Bijector, x: &Tensor) {
    let (z, log_det) = flow.forward(x).unwrap();
    let back = flow.inverse(&z).unwrap();
    assert!(
        largest_difference(&numbers(&back), &numbers(x)) < 2e-5,
        "{name} is not inverted"
    );
    let log_det = numbers(&log_det);
    assert_eq!(log_det.len(), x.dim(0).unwrap());
    for (i, given) in log_det.iter().enumerate() {
        let one = x.narrow(0, i, 1).unwrap();
        let expected = log_det_of_jacobian(|x| flow.forward(x).unwrap().0, &one);
        assert!(
            (f64::from(*given) - expected).abs() < 2e-2,
            "{name}: log_det {given}, Jacobian {expected}"
        );
    }
}

fn vars(config: &GlowConfig) -> VarBuilder<'static> {
    VarBuilder::from_tensors(
        tensors(&lively(config, 3), &Device::Cpu).unwrap(),
        DType::F32,
        &Device::Cpu,
    )
}

#[test]
fn every_bijector_is_inverted_and_its_log_determinant_is_that_of_the_jacobian() {
    check_bijector("squeeze", &Squeeze, &noise((2, 4, 4, 3)));
    for config in configs()
        .iter()
        .filter(|c| c.channels == 3 && c.width < 100)
    {
        let c = config.level_shapes()[0].channels;
        let vb = vars(config);
        let vb = vb.pp("levels.0.steps.1");
        let name = format!(
            "{:?} {:?} {:?}",
            config.permutation, config.coupling, config.padding
        );
        let x = noise((2, 2, 2, c));
        check_bijector(
            &format!("actnorm, {name}"),
            &ActNorm::new(&vb.pp("actnorm"), c).unwrap(),
            &x,
        );
        let mixing = Mixing::new(&vb.pp("permutation"), config.permutation, c).unwrap();
        check_bijector(&format!("permutation, {name}"), &mixing, &x);
        let x = noise((1, 3, 3, c));
        let coupling = CouplingLayer::new(&vb.pp("coupling"), config, c, 0).unwrap();
        check_bijector(&format!("coupling, {name}"), &coupling, &x);
        check_bijector(
            &format!("step, {name}"),
            &Step::new(&vb, config, c).unwrap(),
            &x,
        );
    }
}

#[test]
fn whole_models_are_inverted_and_their_likelihood_is_that_of_the_jacobian() {
    for config in configs().into_iter().chain(chains()) {
        let glow = Glow::new(&lively(&config, 2), &Device::Cpu).unwrap();
        let name = format!("{config:?}");
        let (c, size) = (config.channels, config.image_size);
        let data = pictures(&config, 2, 1).concat();
        let x = Tensor::from_vec(data, (2, c, size, size), &Device::Cpu).unwrap();
        let encoding = glow.encode(&x).unwrap();
        let back = glow.decode(&encoding.eps).unwrap();
        assert!(
            largest_difference(&numbers(&back), &numbers(&x)) < 1e-4,
            "{name}"
        );
    }
    // The Jacobian has D columns: only the smallest models are small enough.
    for config in configs()
        .into_iter()
        .chain(chains())
        .filter(|c| c.width == 20 && c.levels == 2 && c.detail.len() < 2)
    {
        let config = GlowConfig {
            image_size: 4,
            levels: 2 - config.detail.len(),
            ..config
        };
        let glow = Glow::new(&lively(&config, 2), &Device::Cpu).unwrap();
        let x =
            Tensor::from_vec(pictures(&config, 1, 1).concat(), (1, 3, 4, 4), &Device::Cpu).unwrap();
        // eps is a map of x too: ln p(x) = ln N(eps; 0, 1) + ln |det d eps / d x|.
        let eps_of = |x: &Tensor| {
            let eps = glow.encode(x).unwrap().eps;
            Tensor::cat(
                &eps.iter()
                    .map(|e| e.flatten_all().unwrap())
                    .collect::<Vec<_>>(),
                0,
            )
            .unwrap()
        };
        let eps = numbers(&eps_of(&x));
        let normal: f64 = eps
            .iter()
            .map(|&e| -0.5 * f64::from(e * e) - 0.5 * std::f64::consts::TAU.ln())
            .sum();
        let expected = normal + log_det_of_jacobian(eps_of, &x);
        let encoding = glow.encode(&x).unwrap();
        let given: f64 = encoding
            .level_log_prob
            .iter()
            .map(|t| f64::from(numbers(t)[0]))
            .sum();
        assert!(
            (given - expected).abs() < 0.05,
            "{config:?}: ln p {given}, Jacobian {expected}"
        );
    }
}
