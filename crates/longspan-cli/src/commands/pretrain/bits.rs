//! Bits of masked tokens in the valid text, for the source, before and after a run: a table, `bits.json` and `bits.svg`.

use std::path::Path;

use anyhow::{Context, Result};
use kuva::backend::svg::SvgBackend;
use kuva::prelude::{Layout, Plot};
use kuva::render::render::render_multiple;
use longspan::checkpoint::write_whole;
use longspan::pretrain::{Bits, STRETCH};
use serde::{Deserialize, Serialize};

use crate::run::plot::{described, line};
use crate::terminal::table::aligned;
use crate::terminal::thousands;

const JSON: &str = "bits.json";
const SVG: &str = "bits.svg";

const COLOURS: [&str; 3] = ["#6b7280", "#d97706", "#2563eb"];

/// Most columns of stretches in the table.
const COLUMNS: usize = 8;

/// The measurement of one stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Tokens of an input.
    pub tokens: usize,
    #[serde(flatten)]
    measured: Bits,
}

impl Stage {
    /// From a measurement.
    pub fn new(name: &str, tokens: usize, measured: &Bits) -> Self {
        Self { name: name.into(), tokens, measured: measured.clone() }
    }
}

/// The stages written before a run was resumed.
pub fn read(folder: &Path) -> Option<Vec<Stage>> {
    serde_json::from_slice(&std::fs::read(folder.join(JSON)).ok()?).ok()
}

/// Writes the stages as JSON and as a plot.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &Path, stages: &[Stage]) -> Result<()> {
    let json = serde_json::to_string_pretty(stages)? + "\n";
    write_whole(&folder.join(JSON), json.as_bytes())?;
    write_whole(&folder.join(SVG), svg(stages).as_bytes()).context("the plot of the bits")
}

/// A line for each stage.
pub fn table(stages: &[Stage]) -> String {
    let last = stages.iter().filter_map(|stage| stage.measured.stretches.last()).map(|stretch| stretch.from).max();
    let most = last.map_or(0, |from| from / STRETCH + 1);
    let columns: Vec<usize> = (0..most).filter(|i| most <= COLUMNS || i % most.div_ceil(COLUMNS) == 0).collect();
    let mut head = vec!["bits a masked token".to_string(), "all".into(), "a character".into()];
    head.extend(columns.iter().map(|i| format!("from {}", thousands(i * STRETCH))));
    let mut rows = vec![head];
    for Stage { name, tokens, measured: Bits { bits, bits_per_character, stretches, .. } } in stages {
        let mut row = vec![format!("{name}, {} tokens", thousands(*tokens))];
        row.extend([bits, bits_per_character].map(|number| format!("{number:.3}")));
        let cell = |i: &usize| {
            let stretch = stretches.iter().find(|stretch| stretch.from == i * STRETCH);
            stretch.map_or(String::new(), |stretch| format!("{:.3}", stretch.bits))
        };
        row.extend(columns.iter().map(cell));
        rows.push(row);
    }
    aligned(&rows)
}

fn svg(stages: &[Stage]) -> String {
    let stage_line = |(stage, colour): (&Stage, &&str)| {
        let points: Vec<_> = stage.measured.stretches.iter().map(|s| ((s.from + STRETCH / 2) as f64, s.bits)).collect();
        line(&points, colour, 2.0).with_legend(format!("{}, {} tokens", stage.name, stage.tokens)).into()
    };
    let lines: Vec<Plot> = stages.iter().zip(COLOURS.iter().cycle()).map(stage_line).collect();
    let labels = ["position in the input", "bits"];
    let layout = described(Layout::auto_from_plots(&lines), "Bits of a masked token", labels);
    SvgBackend.render_scene(&render_multiple(lines, layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_lines() {
        let stretch = |from: usize, bits: f64| longspan::pretrain::BitsStretch { from, masked: 5, bits };
        let measured = |bits: f64| Bits {
            masked: 10,
            bits,
            bits_per_character: bits / 4.0,
            stretches: vec![stretch(0, bits + 0.5), stretch(512, bits - 0.5)],
        };
        let stages = [Stage::new("before", 1024, &measured(3.0)), Stage::new("after", 1024, &measured(2.0))];
        let expected = "bits a masked token     all  a character  from 0  from 512\n\
                        before, 1,024 tokens  3.000        0.750   3.500     2.500\n\
                        after, 1,024 tokens   2.000        0.500   2.500     1.500\n";
        assert_eq!(table(&stages), expected);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &stages).unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(read(SVG).contains("before, 1024 tokens"));
        let json: serde_json::Value = serde_json::from_str(&read(JSON)).unwrap();
        assert_eq!(json[1]["stretches"][1]["bits"], 1.5);
    }
}
