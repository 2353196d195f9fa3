//! Bits of masked tokens in the valid text, for the source, before and after a run: a table, `bits.json` and `bits.svg`.

use std::path::Path;

use anyhow::{Context, Result};
use kuva::backend::svg::SvgBackend;
use kuva::prelude::{Layout, Plot};
use kuva::render::render::render_multiple;
use longspan::checkpoint::write_whole;
use longspan::pretrain::{Bits, BitsStretch, STRETCH};
use longspan::train::settings_table::TOKENS_MAX;
use serde::{Deserialize, Serialize};

use crate::run::plot::{described, line};
use crate::terminal::table::aligned;
use crate::terminal::{counted, thousands};

const JSON: &str = "bits.json";
const SVG: &str = "bits.svg";

/// The longest `bits.json`, and the most that is read of it: stages, bytes of a name, and bits.
const JSON_BYTES_MAX: u64 = 1 << 20;
const STAGES_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 64;
const BITS_MAX: f64 = 1e9;

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

    /// Whether a measurement can have these figures. Everything that is counted from them is then small.
    fn is_possible(&self) -> bool {
        let Self { name, tokens, measured: Bits { masked, bits, bits_per_character, stretches } } = self;
        let is_possible = |stretch: &BitsStretch| {
            stretch.from < *tokens && stretch.from.is_multiple_of(STRETCH) && stretch.masked <= *masked
        };
        let figures = [*bits, *bits_per_character].into_iter().chain(stretches.iter().map(|stretch| stretch.bits));
        name.len() <= NAME_BYTES_MAX
            && *tokens as u64 <= TOKENS_MAX
            && stretches.iter().all(is_possible)
            && stretches.windows(2).all(|pair| pair[0].from < pair[1].from)
            && figures.into_iter().all(|bits| (0.0..=BITS_MAX).contains(&bits))
    }
}

/// The stages written before a run was resumed; `None` where there are none, or what stands there was not measured.
pub fn read(folder: &Path) -> Option<Vec<Stage>> {
    let path = folder.join(JSON);
    let length = std::fs::metadata(&path).ok()?;
    let json = (length.is_file() && length.len() <= JSON_BYTES_MAX).then(|| std::fs::read(&path).ok())??;
    let stages: Vec<Stage> = serde_json::from_slice(&json).ok()?;
    (stages.len() <= STAGES_MAX && stages.iter().all(Stage::is_possible)).then_some(stages)
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
        let mut row = vec![format!("{name}, {}", counted(*tokens, "token"))];
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
    use serde_json::{Value, json};

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
        let json: Value = serde_json::from_str(&read(JSON)).unwrap();
        assert_eq!(json[1]["stretches"][1]["bits"], 1.5);
    }

    #[test]
    fn only_what_can_have_been_measured_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let found = |content: &[u8]| {
            std::fs::write(folder.path().join(JSON), content).unwrap();
            super::read(folder.path()).map(|stages| table(&stages).lines().count())
        };
        let good = json!([{"name": "before", "tokens": 1024, "masked": 7, "bits": 2.5, "bits_per_character": 0.5,
            "stretches": [{"from": 0, "masked": 3, "bits": 1.5}, {"from": 512, "masked": 4, "bits": 1.5}]}]);
        assert_eq!(found(good.to_string().as_bytes()), Some(2));
        for (place, value) in [
            ("/0/stretches/1/from", json!(16_777_216)),
            ("/0/stretches/1/from", json!(u64::MAX / 512 * 512)),
            ("/0/stretches/1/from", json!(513)),
            ("/0/stretches/1/from", json!(0)),
            ("/0/stretches/1/bits", json!(1e300)),
            ("/0/stretches/1/masked", json!(u64::MAX)),
            ("/0/tokens", json!(u64::MAX)),
            ("/0/bits", json!(-1.0)),
            ("/0/bits", json!(null)),
            ("/0/name", json!("x".repeat(65))),
            ("", json!(vec![good[0].clone(); 9])),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert_eq!(found(bad.to_string().as_bytes()), None, "{place}");
        }
        assert_eq!(found(&[good.to_string().as_bytes(), &[b' '; 1 << 20]].concat()), None);
    }
}
