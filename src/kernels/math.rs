//! exp, sigmoid and log-sigmoid without branches, so that loops over them become vector code.

/// `e^x` to about 2e-7 relative; the exponent is held between -87 and 88, NaN stays NaN.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum.
    const MAGIC: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few bits, so that n * LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let f = (x - n * LN2_HIGH) - n * LN2_LOW;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    let p = 1.0 / 5040.0;
    let p = p * f + 1.0 / 720.0;
    let p = p * f + 1.0 / 120.0;
    let p = p * f + 1.0 / 24.0;
    let p = p * f + 1.0 / 6.0;
    let p = p * f + 0.5;
    let p = p * f + 1.0;
    (p * f + 1.0) * scale
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `max(x, 0)`, where NaN stays NaN: a model that has come apart must not look sound.
#[inline(always)]
pub fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// `ln(1 + u)` for `u` in 0..=1.
#[inline(always)]
fn ln_1p_unit(u: f32) -> f32 {
    // With s = u / (2 + u), ln(1 + u) = 2 atanh(s), s <= 1/3; the series to s^15 is exact to f32.
    let s = u / (2.0 + u);
    let q = s * s;
    let p = 1.0 / 15.0;
    let p = p * q + 1.0 / 13.0;
    let p = p * q + 1.0 / 11.0;
    let p = p * q + 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    2.0 * s * (p * q + 1.0)
}

/// `ln(x)` for normal positive numbers.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    const LN_2: f32 = std::f32::consts::LN_2;
    // The bits of sqrt(1/2): mantissas are taken from there to sqrt(2), so that the logarithm of numbers near one has
    // no exponent to cancel.
    const ROOT: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(ROOT);
    let exponent = (shifted as i32) >> 23;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT));
    // ln m = 2 atanh(s), |s| < 0.172.
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let p = 1.0 / 9.0;
    let p = p * q + 1.0 / 7.0;
    let p = p * q + 1.0 / 5.0;
    let p = p * q + 1.0 / 3.0;
    exponent as f32 * LN_2 + 2.0 * s * (p * q + 1.0)
}

/// `ln(sigmoid(x))`.
#[inline(always)]
pub fn log_sigmoid(x: f32) -> f32 {
    let low = if x < 0.0 { x } else { 0.0 };
    low - ln_1p_unit(exp(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_double_precision() {
        for i in -4000..4000 {
            let x = i as f32 * 0.02;
            let wide = f64::from(x);
            assert!(
                (f64::from(exp(x)) / wide.exp() - 1.0).abs() < 3e-7,
                "exp({x})"
            );
            let s = 1.0 / (1.0 + (-wide).exp());
            assert!(
                (f64::from(sigmoid(x)) / s - 1.0).abs() < 5e-7,
                "sigmoid({x})"
            );
            let l = -(-wide).exp().ln_1p();
            assert!(
                (f64::from(ln(s as f32)) - f64::from(s as f32).ln()).abs()
                    < 3e-7 * f64::from(s as f32).ln().abs().max(1e-3),
                "ln({s})"
            );
            assert!(
                (f64::from(log_sigmoid(x)) - l).abs() < 2e-7 * l.abs().max(1.0),
                "log_sigmoid({x})"
            );
        }
        assert!(
            exp(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && log_sigmoid(f32::NAN).is_nan()
        );
        assert_eq!([-1.5, 0.0, 2.5].map(relu), [0.0, 0.0, 2.5]);
        assert!(relu(f32::NAN).is_nan());
    }
}
