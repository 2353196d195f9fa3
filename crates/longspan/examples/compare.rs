//! Compares a question-answering checkpoint with what transformers computed from it, and times a pass.
//!
//! `cargo run --release --example compare -- FOLDER [PASSES [PRECISION]]`, where FOLDER was made by `tests/golden/base.py`: a
//! checkpoint with a `golden.safetensors` beside it. It prints, for each input, the mean and largest difference of the logits
//! and the median and range of the seconds that a pass took.

use std::path::Path;
use std::time::Instant;

use longspan::checkpoint::{Source, Tensors};
use longspan::model::{Batch, Model, Precision, Sequence, Task};
use safetensors::SafeTensors;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: compare FOLDER [PASSES [PRECISION]]")?;
    let passes: usize = arguments.next().map_or(Ok(5), |passes| passes.parse())?;
    let precision = arguments.next().map_or(Ok(Precision::F32), |precision| precision.parse())?;
    let source = Source::Folder(Path::new(&folder).into());
    let config = source.config()?;
    let model = Model::load(config, Task::QuestionAnswering, precision, &Tensors::open(&source)?)?;

    let bytes = source.read("golden.safetensors")?.ok_or("no golden.safetensors: run tests/golden/base.py")?;
    let golden = SafeTensors::deserialize(&bytes)?;
    let mut names = golden.names();
    names.sort();
    for case in names.iter().filter_map(|name| name.strip_suffix(".input_ids")) {
        let integers = |field: &str| -> Result<Vec<u32>, Error> {
            let data = golden.tensor(&format!("{case}.{field}"))?.data().to_vec();
            Ok(data.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes) as u32).collect())
        };
        let globals: Vec<usize> = integers("global").unwrap_or_default().iter().map(|&i| i as usize).collect();
        let batch = Batch::of(Sequence { ids: &integers("input_ids")?, token_type_ids: None, globals: &globals });

        let mut seconds = Vec::new();
        let (mut largest, mut total): (f32, f64) = (0.0, 0.0);
        for _ in 0..passes {
            let start = Instant::now();
            let logits = model.logits(&batch)?;
            seconds.push(start.elapsed().as_secs_f64());
            for (column, field) in ["start_logits", "end_logits"].iter().enumerate() {
                let expected = golden.tensor(&format!("{case}.{field}"))?;
                let expected = expected.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                for (a, b) in logits.values.iter().skip(column).step_by(2).zip(expected) {
                    largest = largest.max((a - b).abs());
                    total += f64::from((a - b).abs());
                }
            }
        }
        seconds.sort_by(f64::total_cmp);
        let (first, middle, last) = (seconds[0], seconds[passes / 2], seconds[passes - 1]);
        let tokens = batch.tokens();
        let mean = total / (2 * tokens * passes) as f64;
        println!(
            "{case}: {tokens} tokens, {precision}, difference {mean:.1e}, {largest:.1e} at most, \
             {middle:.3} s ({first:.3} to {last:.3})"
        );
    }
    Ok(())
}
