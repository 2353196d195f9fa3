//! The report as pictures: the five of the official script, and ours.

use anyhow::{Result, anyhow};
use kuva::PngBackend;
use kuva::backend::svg::SvgBackend;
use kuva::prelude::{BarPlot, Histogram, Layout, LegendPosition, LinePlot, Plot};
use kuva::render::render::render_multiple;

use super::report::{Abstention, CalibrationCheck, EvalReport, PrecisionRecallCurve, SliceRow, round_step};
use crate::terminal::thousands;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 360.0;
/// The axis of a histogram has about so many ticks.
const TICKS: f64 = 6.0;
const BLUE: &str = "#2563eb";
const ORANGE: &str = "#d97706";
const GREY: &str = "#9ca3af";

/// A plot in both formats.
pub struct Picture {
    /// Name of its files.
    pub name: &'static str,
    pub svg: String,
    pub png: Vec<u8>,
}

/// A plot to be drawn.
struct Drawing {
    name: &'static str,
    plots: Vec<Plot>,
    layout: Layout,
}

/// Draws everything that the report has figures for.
pub fn draw(report: &EvalReport) -> Result<Vec<Picture>> {
    let mut drawings = Vec::new();
    if let Some(abstention) = &report.abstention {
        drawings.extend(precision_recall(abstention));
        drawings.extend(histograms(abstention));
        drawings.push(by_threshold(abstention));
        drawings.push(risk_coverage(abstention));
    }
    if let Some(calibration) = &report.calibration {
        drawings.push(reliability(calibration));
    }
    let lengths = "By length of the document";
    drawings.extend(by_tokens("by_length", lengths, "tokens of the document, at least", &report.by_length));
    let positions = "By position of the answer";
    drawings.extend(by_tokens("by_position", positions, "tokens before the answer, at least", &report.by_position));
    drawings.into_iter().map(Drawing::render).collect()
}

impl Drawing {
    fn new(name: &'static str, title: &str, plots: Vec<Plot>, [x_label, y_label]: [&str; 2]) -> Self {
        let layout = Layout::auto_from_plots(&plots)
            .with_title(title)
            .with_x_label(x_label)
            .with_y_label(y_label)
            .with_width(WIDTH)
            .with_height(HEIGHT)
            .with_legend_position(LegendPosition::InsideBottomRight);
        Self { name, plots, layout }
    }

    fn layout(mut self, change: impl FnOnce(Layout) -> Layout) -> Self {
        self.layout = change(self.layout);
        self
    }

    fn render(self) -> Result<Picture> {
        let scene = render_multiple(self.plots, self.layout);
        // Several pictures stand in one page, where an id may come once.
        let svg = SvgBackend.render_scene(&scene).replace("kuva-clip-", &format!("{}-clip-", self.name));
        let png = PngBackend::new().render_scene(&scene).map_err(|error| anyhow!("plot {}: {error}", self.name))?;
        Ok(Picture { name: self.name, svg, png })
    }
}

/// Both axes from 0 to 1.
fn unit_square(layout: Layout) -> Layout {
    layout.with_x_axis_min(0.0).with_x_axis_max(1.0).with_y_axis_min(0.0).with_y_axis_max(1.0)
}

fn line(points: impl IntoIterator<Item = (f64, f64)>, color: &str) -> LinePlot {
    LinePlot::new().with_data(points.into_iter().collect::<Vec<_>>()).with_color(color).with_stroke_width(2.0)
}

fn precision_recall(abstention: &Abstention) -> Vec<Drawing> {
    let drawing = |curve: &PrecisionRecallCurve| {
        let (name, what) = match curve.name {
            "exact" => ("pr_exact", "exact match"),
            "f1" => ("pr_f1", "F1"),
            _ => ("pr_oracle", "is there an answer?"),
        };
        let plots =
            vec![line(curve.points.iter().copied(), BLUE).with_step().with_fill().with_fill_opacity(0.12).into()];
        let title = format!("Precision over recall: {what} (average {:.1})", curve.average_precision);
        Drawing::new(name, &title, plots, ["recall", "precision"]).layout(unit_square)
    };
    abstention.precision_recall.iter().map(drawing).collect()
}

fn histograms(abstention: &Abstention) -> Vec<Drawing> {
    let histogram = &abstention.null_odds;
    let kinds = [
        ("na_prob_hist_hasAns", "Null odds of questions with an answer", &histogram.has_answer),
        ("na_prob_hist_noAns", "Null odds of questions without an answer", &histogram.no_answer),
    ];
    let drawing = |(name, title, shares): (&'static str, &str, &Vec<f64>)| {
        let bars = Histogram::new().with_precomputed(histogram.edges.clone(), shares.clone()).with_color(BLUE);
        let (first, last) = (histogram.edges[0], histogram.edges[histogram.edges.len() - 1]);
        let step = round_step(last / TICKS - first / TICKS);
        Drawing::new(name, title, vec![bars.into()], ["null odds", "share of these questions"])
            .layout(|layout| layout.with_x_tick_step(step))
    };
    kinds.into_iter().filter(|(.., shares)| shares.iter().any(|share| *share > 0.0)).map(drawing).collect()
}

fn by_threshold(abstention: &Abstention) -> Drawing {
    let points = &abstention.by_threshold;
    let exact = line(points.iter().map(|&(threshold, exact, _)| (threshold, exact)), ORANGE).with_legend("exact match");
    let f1 = line(points.iter().map(|&(threshold, _, f1)| (threshold, f1)), BLUE).with_legend("F1");
    let labels = ["threshold on the null odds", "percent of all questions"];
    Drawing::new("by_threshold", "Figures at every threshold", vec![f1.into(), exact.into()], labels)
        .layout(|layout| layout.with_y_axis_min(0.0).with_y_axis_max(100.0))
}

fn risk_coverage(abstention: &Abstention) -> Drawing {
    let points = &abstention.risk_coverage;
    let risk = line(points.iter().map(|point| (point.coverage, 1.0 - point.precision)), BLUE);
    let area = abstention.risk_coverage_area.map_or_else(String::new, |area| format!(" (mean risk {area:.3})"));
    let title = format!("Risk over coverage{area}");
    let labels = ["share of the questions that are answered", "share of the answers that are wrong"];
    Drawing::new("risk_coverage", &title, vec![risk.into()], labels).layout(unit_square)
}

fn reliability(calibration: &CalibrationCheck) -> Drawing {
    let ideal = line([(0.0, 0.0), (1.0, 1.0)], GREY).with_dashed().with_legend("ideal");
    let mut plots = vec![ideal.into()];
    for (diagram, color, name) in
        [(&calibration.answers, BLUE, "answers"), (&calibration.abstentions, ORANGE, "abstentions")]
    {
        if !diagram.bins.is_empty() {
            let points = diagram.bins.iter().map(|bin| (bin.confidence, bin.right));
            plots.push(line(points, color).with_legend(name).into());
        }
    }
    let error = calibration.all.expected_calibration_error.unwrap_or(0.0);
    let title = format!("Are scores probabilities? (mean error {error:.3})");
    Drawing::new("reliability", &title, plots, ["score", "share that is right"]).layout(unit_square)
}

fn by_tokens(name: &'static str, title: &str, label: &str, rows: &[SliceRow]) -> Option<Drawing> {
    if rows.is_empty() {
        return None;
    }
    let mut bars = BarPlot::new();
    for row in rows {
        bars = bars.with_group(thousands(row.tokens_from), [(row.all.f1, BLUE), (row.all.exact, ORANGE)]);
    }
    let bars = bars.with_legend(vec!["F1", "exact match"]);
    let drawing = Drawing::new(name, title, vec![bars.into()], [label, "percent"]);
    Some(drawing.layout(|layout| {
        let beside = LegendPosition::OutsideRightTop; // inside it would hide bars
        layout.with_y_axis_min(0.0).with_y_axis_max(100.0).with_legend_position(beside)
    }))
}
