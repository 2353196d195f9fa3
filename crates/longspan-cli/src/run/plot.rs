//! `loss.svg`: the loss of the steps, raw and smoothed, and the results of evaluations.

use kuva::backend::svg::SvgBackend;
use kuva::prelude::{Layout, LegendPosition, LinePlot, Plot, ScatterPlot};
use kuva::render::render::{render_multiple, render_twin_y};

use super::metrics::MetricPoint;

const BLUE: &str = "#2563eb";
const ORANGE: &str = "#d97706";
const GREY: &str = "#c7cdd6";

/// Most points of a line; more would be invisible and make the file large.
const POINTS_MAX: usize = 600;

/// Weight of the previous mean in a smoothed number.
const SMOOTHING: f64 = 0.95;

/// An exponentially weighted mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Smoothed {
    sum: f64,
    weight: f64,
}

impl Smoothed {
    /// Adds a number, if it is finite.
    pub fn add(&mut self, number: f64) {
        if number.is_finite() {
            self.sum = SMOOTHING * self.sum + (1.0 - SMOOTHING) * number;
            self.weight = SMOOTHING * self.weight + (1.0 - SMOOTHING);
        }
    }

    /// The mean, if there is any number.
    pub fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The curves of the plot.
#[derive(Debug, Default)]
pub struct Curves {
    raw: Vec<(f64, f64)>,
    smoothed: Vec<(f64, f64)>,
    /// F1 or bits of evaluations.
    measured: Vec<(f64, f64)>,
    is_bits: bool,
    mean: Smoothed,
}

impl Curves {
    /// Adds a step or an evaluation.
    pub fn add(&mut self, point: MetricPoint) {
        match point {
            MetricPoint::Loss { step, loss } => {
                self.mean.add(loss);
                if let (true, Some(mean)) = (loss.is_finite(), self.mean.mean()) {
                    self.raw.push((step as f64, loss));
                    self.smoothed.push((step as f64, mean));
                }
            }
            MetricPoint::F1 { step, f1 } => self.measured.push((step as f64, f1)),
            MetricPoint::Bits { step, bits } => {
                self.is_bits = true;
                self.measured.push((step as f64, bits));
            }
        }
    }

    /// The smoothed loss.
    pub fn loss(&self) -> Option<f64> {
        self.mean.mean()
    }

    /// The picture; `None` before the first step.
    pub fn svg(&self) -> Option<String> {
        if self.raw.is_empty() {
            return None;
        }
        let losses: Vec<Plot> = vec![
            line(&thinned(&self.raw), GREY, 1.0).with_legend("loss").into(),
            line(&thinned(&self.smoothed), BLUE, 2.0).with_legend("loss, smoothed").into(),
        ];
        let described = |layout: Layout| described(layout, "Training", ["step", "loss"]).with_y_axis_min(0.0);
        let scene = if self.measured.is_empty() {
            let layout = described(Layout::auto_from_plots(&losses));
            render_multiple(losses, layout)
        } else {
            let (name, unit) = match self.is_bits {
                true => ("bits on --valid", "bits a masked token"),
                false => ("F1 on --dev", "F1, percent"),
            };
            // Points too, because a single evaluation has no line.
            let points = ScatterPlot::new().with_data(self.measured.clone()).with_color(ORANGE).with_size(3.0);
            let measured = vec![line(&self.measured, ORANGE, 2.0).with_legend(name).into(), points.into()];
            let layout = described(Layout::auto_from_twin_y_plots(&losses, &measured)).with_y2_label(unit);
            render_twin_y(losses, measured, layout)
        };
        Some(SvgBackend.render_scene(&scene))
    }
}

/// The points, with neighbours merged into their means.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS_MAX).max(1);
    let mean = |points: &[(f64, f64)]| {
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        (x / points.len() as f64, y / points.len() as f64)
    };
    points.chunks(group).map(mean).collect()
}

/// A layout with a title, the labels of its axes, and the legend beside the lines, which it would hide.
pub fn described(layout: Layout, title: &str, [x_label, y_label]: [&str; 2]) -> Layout {
    let layout = layout.with_title(title).with_x_label(x_label).with_y_label(y_label);
    layout.with_width(860.0).with_height(400.0).with_legend_position(LegendPosition::OutsideRightTop)
}

/// A line through points.
pub fn line(points: &[(f64, f64)], color: &str, width: f64) -> LinePlot {
    LinePlot::new().with_data(points.to_vec()).with_color(color).with_stroke_width(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothed_number_is_a_mean() {
        let mut smoothed = Smoothed::default();
        assert_eq!(smoothed.mean(), None);
        smoothed.add(3.0);
        smoothed.add(f64::NAN);
        smoothed.add(f64::INFINITY);
        assert!((smoothed.mean().unwrap() - 3.0).abs() < 1e-12);
        (0..2000).for_each(|_| smoothed.add(1.0));
        assert!((smoothed.mean().unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_long_run_has_a_small_picture_of_all_its_steps() {
        let points: Vec<(f64, f64)> = (1..=100_001).map(|step| (f64::from(step), 2.0)).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS_MAX && thin.iter().all(|point| point.1 == 2.0));
        assert!(thin[0].0 < 100.0 && thin[thin.len() - 1].0 > 99_900.0);
        assert_eq!(thinned(&points[..POINTS_MAX]), points[..POINTS_MAX]);
    }

    /// A file of metrics may hold any numbers.
    #[test]
    fn the_picture_of_any_numbers_is_small() {
        let numbers = [0.0, -0.0, 5e-324, 1e-300, 1.0, -1e300, 1e300, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY];
        for (first, second) in numbers.iter().flat_map(|first| numbers.map(|second| (*first, second))) {
            let mut curves = Curves::default();
            for (step, number) in [(0, first), (usize::MAX, second)] {
                curves.add(MetricPoint::Loss { step, loss: number });
                curves.add(MetricPoint::Bits { step, bits: number });
            }
            assert!(curves.svg().unwrap_or_default().len() < 100_000, "{first} {second}");
        }
    }

    #[test]
    fn there_is_a_picture_from_the_first_step_on() {
        let mut curves = Curves::default();
        assert!(curves.svg().is_none());
        curves.add(MetricPoint::Loss { step: 1, loss: f64::NAN });
        assert!(curves.svg().is_none());
        curves.add(MetricPoint::Loss { step: 2, loss: 3.0 });
        let without = curves.svg().unwrap();
        assert!(without.contains("loss, smoothed") && !without.contains("F1"), "{without}");
        curves.add(MetricPoint::F1 { step: 2, f1: 50.0 });
        let with = curves.svg().unwrap();
        assert!(with.contains("F1 on --dev") && with.contains("<circle"), "{with}");
    }
}
