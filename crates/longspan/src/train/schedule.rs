//! The learning rate of a step: a linear rise, then the fall that the settings ask for.

use std::f64::consts::PI;

use super::{Schedule, TrainSettings};

/// The learning rate of step `step`, from 1, of `steps`: what the schedules of transformers give it, where the rate at the
/// end is 0. As there the first step of a warm-up has the rate 0.
pub(super) fn learning_rate(settings: &TrainSettings, step: usize, steps: usize) -> f64 {
    let before = (step - 1) as f64;
    let steps = steps as f64;
    let warmup = (settings.warmup * steps).ceil();
    if before < warmup {
        return settings.learning_rate * before / warmup;
    }
    let progress = ((before - warmup) / (steps - warmup).max(1.0)).min(1.0);
    settings.learning_rate
        * match settings.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear | Schedule::Polynomial => (1.0 - progress).powf(settings.decay_power()),
            Schedule::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From transformers 5.23, with `f` such as `lambda o: get_cosine_schedule_with_warmup(o, 3, 20)` and, for powers,
    /// `get_polynomial_decay_schedule_with_warmup(o, 3, 20, lr_end=0.0, power=3.0)`:
    ///
    /// ```python
    /// p = torch.nn.Parameter(torch.zeros(1)); o = torch.optim.SGD([p], lr=2e-5); s = f(o); r = []
    /// for i in range(20):
    ///     r.append(o.param_groups[0]["lr"]); o.step(); s.step()
    /// print([r[i] for i in (0, 1, 2, 3, 4, 10, 19)])
    /// ```
    #[test]
    fn rates_agree_with_transformers() {
        let rise = [0.0, 6.666666666666667e-06, 1.3333333333333333e-05];
        let cases = [
            ((Schedule::Linear, None), [2e-05, 1.8823529411764708e-05, 1.1764705882352942e-05, 1.1764705882352942e-06]),
            (
                (Schedule::Polynomial, Some(3.0)),
                [2e-05, 1.667412985955628e-05, 4.070832485243233e-06, 4.070832485243235e-09],
            ),
            ((Schedule::Cosine, None), [2e-05, 1.982973099683902e-05, 1.2736629900720832e-05, 1.7026900316098217e-07]),
            ((Schedule::Constant, None), [2e-05; 4]),
        ];
        for ((schedule, power), fall) in cases {
            let settings = TrainSettings { learning_rate: 2e-5, warmup: 0.15, schedule, power, ..Default::default() };
            for (before, wanted) in [0, 1, 2, 3, 4, 10, 19].into_iter().zip(rise.into_iter().chain(fall)) {
                let found = learning_rate(&settings, before + 1, 20);
                assert!((found - wanted).abs() <= 1e-12 * wanted, "{schedule:?}, {before}: {found}, not {wanted}");
            }
        }
    }

    #[test]
    fn without_warm_up_the_first_rate_is_the_highest() {
        for (warmup, first, last) in [(0.0, 1.0, 0.25), (1.0, 0.0, 0.75)] {
            let settings = TrainSettings { learning_rate: 1.0, warmup, ..Default::default() };
            assert_eq!((learning_rate(&settings, 1, 4), learning_rate(&settings, 4, 4)), (first, last));
        }
    }
}
