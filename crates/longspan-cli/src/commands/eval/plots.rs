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

/// Draws everything that the report has figures for.
pub fn draw(report: &EvalReport) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    if let Some(abstention) = &report.abstention {
        pictures.extend(precision_recall(abstention));
        pictures.extend(histograms(abstention));
        pictures.push(by_threshold(abstention));
        pictures.push(risk_coverage(abstention));
    }
    pictures.extend(report.calibration.as_ref().map(reliability));
    for (name, title, label, rows) in [
        ("by_length", "By length of the document", "tokens of the document, at least", &report.by_length),
        ("by_position", "By position of the answer", "tokens before the answer, at least", &report.by_position),
    ] {
        if !rows.is_empty() {
            pictures.push(by_tokens(name, title, label, rows));
        }
    }
    pictures.into_iter().collect()
}

/// Draws plots into one picture; `change` adds to its layout.
fn picture(
    name: &'static str,
    title: &str,
    plots: Vec<Plot>,
    [x_label, y_label]: [&str; 2],
    change: impl FnOnce(Layout) -> Layout,
) -> Result<Picture> {
    let layout = Layout::auto_from_plots(&plots).with_title(title).with_x_label(x_label).with_y_label(y_label);
    let layout = layout.with_width(WIDTH).with_height(HEIGHT).with_legend_position(LegendPosition::InsideBottomRight);
    let scene = render_multiple(plots, change(layout));
    // Several pictures stand in one page, where an id may come once.
    let svg = SvgBackend.render_scene(&scene).replace("kuva-clip-", &format!("{name}-clip-"));
    let png = PngBackend::new().render_scene(&scene).map_err(|error| anyhow!("plot {name}: {error}"))?;
    Ok(Picture { name, svg, png })
}

/// Both axes from 0 to 1.
fn unit_square(layout: Layout) -> Layout {
    layout.with_x_axis_min(0.0).with_x_axis_max(1.0).with_y_axis_min(0.0).with_y_axis_max(1.0)
}

/// The vertical axis from 0 to 100.
fn percent_axis(layout: Layout) -> Layout {
    layout.with_y_axis_min(0.0).with_y_axis_max(100.0)
}

fn line(points: impl IntoIterator<Item = (f64, f64)>, color: &str) -> LinePlot {
    LinePlot::new().with_data(points.into_iter().collect::<Vec<_>>()).with_color(color).with_stroke_width(2.0)
}

fn precision_recall(abstention: &Abstention) -> Vec<Result<Picture>> {
    let drawn = |curve: &PrecisionRecallCurve| {
        let (name, what) = match curve.name {
            "exact" => ("pr_exact", "exact match"),
            "f1" => ("pr_f1", "F1"),
            _ => ("pr_oracle", "is there an answer?"),
        };
        let plots =
            vec![line(curve.curve.points.iter().copied(), BLUE).with_step().with_fill().with_fill_opacity(0.12).into()];
        let title = format!("Precision over recall: {what} (average {:.1})", curve.curve.average_precision);
        picture(name, &title, plots, ["recall", "precision"], unit_square)
    };
    abstention.precision_recall.iter().map(drawn).collect()
}

fn histograms(abstention: &Abstention) -> Vec<Result<Picture>> {
    let histogram = &abstention.null_odds;
    let kinds = [
        ("na_prob_hist_hasAns", "Null odds of questions with an answer", &histogram.has_answer),
        ("na_prob_hist_noAns", "Null odds of questions without an answer", &histogram.no_answer),
    ];
    let drawn = |(name, title, shares): (&'static str, &str, &Vec<f64>)| {
        let bars = Histogram::new().with_precomputed(histogram.edges.clone(), shares.clone()).with_color(BLUE);
        let (first, last) = (histogram.edges[0], histogram.edges[histogram.edges.len() - 1]);
        let step = round_step(last / TICKS - first / TICKS);
        let labels = ["null odds", "share of these questions"];
        picture(name, title, vec![bars.into()], labels, |layout| layout.with_x_tick_step(step))
    };
    kinds.into_iter().filter(|(.., shares)| shares.iter().any(|share| *share > 0.0)).map(drawn).collect()
}

fn by_threshold(abstention: &Abstention) -> Result<Picture> {
    let points = &abstention.by_threshold;
    let exact = line(points.iter().map(|&(threshold, exact, _)| (threshold, exact)), ORANGE).with_legend("exact match");
    let f1 = line(points.iter().map(|&(threshold, _, f1)| (threshold, f1)), BLUE).with_legend("F1");
    let labels = ["threshold on the null odds", "percent of all questions"];
    picture("by_threshold", "Figures at every threshold", vec![f1.into(), exact.into()], labels, percent_axis)
}

fn risk_coverage(abstention: &Abstention) -> Result<Picture> {
    let points = &abstention.risk_coverage;
    let risk = line(points.iter().map(|point| (point.found.coverage, 1.0 - point.found.precision)), BLUE);
    let area = abstention.risk_coverage_area.map_or_else(String::new, |area| format!(" (mean risk {area:.3})"));
    let title = format!("Risk over coverage{area}");
    let labels = ["share of the questions that are answered", "share of the answers that are wrong"];
    picture("risk_coverage", &title, vec![risk.into()], labels, unit_square)
}

fn reliability(calibration: &CalibrationCheck) -> Result<Picture> {
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
    picture("reliability", &title, plots, ["score", "share that is right"], unit_square)
}

fn by_tokens(name: &'static str, title: &str, label: &str, rows: &[SliceRow]) -> Result<Picture> {
    let mut bars = BarPlot::new();
    for row in rows {
        bars = bars.with_group(thousands(row.tokens_from), [(row.all.f1, BLUE), (row.all.exact, ORANGE)]);
    }
    let bars = bars.with_legend(vec!["F1", "exact match"]);
    let beside = LegendPosition::OutsideRightTop; // inside it would hide bars
    picture(name, title, vec![bars.into()], [label, "percent"], |layout| {
        percent_axis(layout).with_legend_position(beside)
    })
}
