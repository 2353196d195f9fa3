//! All work runs on the current rayon pool, and one worker of it is enough.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use longspan::checkpoint::Source;
use longspan::evaluate::{Asked, ask};
use longspan::model::Precision;
use longspan::squad::Dataset;
use longspan::{ReadOptions, Reader};
use rayon::ThreadPoolBuilder;

/// Two documents with so much white space that they are tokenized in several pieces, in parallel and in the background.
fn dataset() -> Dataset {
    let paragraph = |name: &str| {
        let context = format!("{name} built the pump.{}", format!(" x{}", " ".repeat(1000)).repeat(80));
        serde_json::json!({"context": context, "qas": [{"id": name, "question": "Who built the pump?", "answers": []}]})
    };
    let json = serde_json::json!({"data": [{"paragraphs": [paragraph("Ada"), paragraph("Ben")]}]});
    Dataset::parse("pool.json", json.to_string().as_bytes()).unwrap()
}

fn answers() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/embedded");
    let reader = Reader::from_source(&Source::Folder(folder), Precision::F32).unwrap();
    let dataset = dataset();
    let mut found = Vec::new();
    let mut options = ReadOptions::default();
    options.threshold = Some(f64::INFINITY);
    let asked = ask(&reader, &Asked::all(&dataset), &[options], &mut |asked, outcomes, _| -> longspan::Result<()> {
        found.push(outcomes?[0].answer.spans[0].text(&asked.paragraph.context).to_owned());
        Ok(())
    });
    asked.unwrap();
    found
}

#[test]
fn a_pool_of_one_worker_suffices_while_the_global_pool_is_blocked() {
    let (release, blocked) = channel::<()>();
    ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    rayon::spawn(move || {
        let _ = blocked.recv();
    });

    let (sender, receiver) = channel();
    // The work has a thread of its own, so that the test ends even if the work hangs.
    std::thread::spawn(move || {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        sender.send(pool.install(answers)).unwrap();
    });
    let found =
        receiver.recv_timeout(Duration::from_secs(300)).expect("the work needs no other pool and no other worker");
    assert_eq!(found, ["Ada", "Ben"]);
    drop(release);
}
