//! `longspan eval` and `longspan calibrate`: the real model on a few questions that any model gets right.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Folder, check_failed, gz};

/// Two articles; the first has a paragraph without questions. One question has no answer, one has a wrong one.
fn data() -> Value {
    let question =
        |id: &str, question: &str, answers: Value| json!({"id": id, "question": question, "answers": answers});
    let pump = "The pump was installed in May 1911 by Ada Brown. It stopped in 1923.";
    let bread = "Bread is made from flour, water and salt. It is baked in an oven.";
    json!({"version": "v2.0", "data": [
        {"title": "Pumps_&_<engines>", "paragraphs": [
            {"context": "A later engine, built by the firm of Hull in 1950, is still there.", "qas": []},
            {"context": pump, "qas": [
                question("who", "Who installed the pump?", json!([{"text": "Ada Brown", "answer_start": 38}])),
                question("when", "When was the pump installed?", json!([{"text": "in May 1911", "answer_start": 23}])),
                question("why", "Who painted the ceiling of the chapel?", json!([])),
            ]},
        ]},
        {"title": "Bread", "paragraphs": [{"context": bread, "qas": [
            question("where", "Where is bread baked?", json!([
                {"text": "in an oven", "answer_start": 54}, {"text": "oven", "answer_start": 60},
            ])),
        ]}]},
    ]})
}

fn folder() -> Folder {
    let data = data().to_string();
    Folder::new(&[("dev.json", data.as_bytes()), ("dev.json.gz", &gz(data.as_bytes()))])
}

/// The output of a run, which must succeed without a warning.
fn printed(folder: &Folder, arguments: &[&str]) -> String {
    let ran = folder.run(arguments);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.stdout
}

fn json(folder: &Folder, file: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.path(file)).unwrap()).unwrap()
}

fn replace(folder: &Folder, file: &str, change: impl Fn(&mut Value)) {
    let mut value = data();
    change(&mut value);
    fs::write(folder.path(file), value.to_string()).unwrap();
}

#[test]
fn one_thing_is_counted_as_one() {
    let data = json!({"data": [{"title": "Bread", "paragraphs": [{"context": "Bread is baked in an oven.", "qas": [
        {"id": "1", "question": "Where is bread baked?", "answers": [{"text": "in an oven", "answer_start": 15}]},
    ]}]}]});
    let folder = Folder::new(&[("one.json", data.to_string().as_bytes())]);
    let shown = printed(&folder, &["eval", "one.json"]);
    assert!(shown.starts_with("one.json\n1 question about 1 document of 1 article, 7 tokens on average\n"), "{shown}");
    assert!(shown.contains("\n1 question asked in "), "{shown}");
}

#[test]
fn hints_name_only_what_helps() {
    let data =
        |question: Value| json!({"data": [{"paragraphs": [{"context": "Bread.", "qas": [question]}]}]}).to_string();
    let wrong = data(json!({"id": "1", "question": "Who?", "answers": [{"text": 7, "answer_start": 9}]}));
    let empty = data(json!({"id": "1", "question": "", "answers": []}));
    let good = data(json!({"id": "1", "question": "Who?", "answers": []}));
    let folder = Folder::new(&[("wrong", wrong.as_bytes()), ("empty", empty.as_bytes()), ("good", good.as_bytes())]);
    fs::write(folder.path("nonsense"), "nonsense").unwrap();
    fs::write(folder.path("p.json"), r#"{"1": ""}"#).unwrap();
    fs::create_dir(folder.path("full")).unwrap();
    fs::write(folder.path("full/file"), "").unwrap();
    let form = "data are JSON in the form of SQuAD v1.1 or v2.0, plain or gzip";
    for (arguments, hint) in [
        (&["wrong"][..], "correct that part, or let --skip-bad leave out and count such parts"),
        (&["wrong", "--skip-bad"], form),
        (&["nonsense"], form),
        (&["nonsense", "--skip-bad"], form),
        (&["empty"], "--skip-bad leaves out and counts questions that cannot be asked"),
        (&["empty", "--skip-bad"], "each was left out, as the warnings say"),
        (&["good", "--out", "full"], "name a new folder; --resume continues an interrupted run"),
        (&["good", "--out", "full", "--predictions", "p.json"], "name a new folder"),
    ] {
        let ran = folder.run(&[&["eval"], arguments].concat());
        assert!(ran.status == 2 && ran.stderr.ends_with(&format!("hint: {hint}\n")), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn official_figures_are_printed_as_by_the_script() {
    let folder = folder();
    let found = printed(&folder, &["eval", "dev.json.gz", "--json", "--out", "report"]);
    let head = "{\n  \"exact\": 75.0,\n  \"f1\": 95.0,\n  \"total\": 4,\n  \"HasAns_exact\": 66.66666666666667,\n  \
                \"HasAns_f1\": 93.33333333333333,\n  \"HasAns_total\": 3,\n  \"NoAns_exact\": 100.0,\n  \
                \"NoAns_f1\": 100.0,\n  \"NoAns_total\": 1,\n  \"best_exact\": 75.0,\n";
    assert!(found.starts_with(head) && found.ends_with("\n  \"pr_oracle_ap\": 100.0\n}\n"), "{found}");

    // The written files give the same figures: the decisions give those without odds, the best spans the others.
    let decided = printed(&folder, &["eval", "dev.json", "--json", "--predictions", "report/predictions.json"]);
    assert!(found.starts_with(decided.trim_end().trim_end_matches("\n}")), "{decided}");
    let best = ["--predictions", "report/predictions_best.json", "--null-odds", "report/null_odds.json"];
    let best = printed(&folder, &[&["eval", "dev.json", "--json", "--threshold", "0"][..], &best].concat());
    assert_eq!(best, found);
}

#[test]
fn the_output_folder_has_predictions_report_and_plots() {
    let folder = folder();
    let shown = printed(&folder, &["eval", "dev.json", "--out", "a/report", "--n-best-size", "3"]);
    for part in [
        "4 questions about 2 documents of 2 articles",
        "with an answer",
        "'these thresholds' are the null odds",
        "by length",
        "questions/s",
        "written to a/report; open a/report/report.html\n",
    ] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    let mut files: Vec<_> = walk(&folder.path("a/report"));
    files.retain(|name| !name.ends_with(".png"));
    let plots = [
        "by_length",
        "by_position",
        "by_threshold",
        "na_prob_hist_hasAns",
        "na_prob_hist_noAns",
        "pr_exact",
        "pr_f1",
        "pr_oracle",
        "reliability",
        "risk_coverage",
    ];
    let mut expected: Vec<String> = [
        "answers.jsonl",
        "nbest_predictions.json",
        "null_odds.json",
        "predictions.json",
        "predictions_best.json",
        "report.html",
        "report.json",
    ]
    .map(String::from)
    .into();
    expected.splice(3..3, plots.map(|plot| format!("plots/{plot}.svg")));
    assert_eq!(files, expected);
    for plot in plots {
        assert!(
            fs::read(folder.path(&format!("a/report/plots/{plot}.png"))).unwrap().starts_with(b"\x89PNG"),
            "{plot}"
        );
    }

    let predictions = fs::read_to_string(folder.path("a/report/predictions.json")).unwrap();
    assert_eq!(
        predictions,
        "{\n  \"who\": \"Ada Brown\",\n  \"when\": \"May 1911\",\n  \"why\": \"\",\n  \"where\": \"an oven\"\n}\n"
    );
    assert_ne!(json(&folder, "a/report/predictions_best.json")["why"], "");
    let nbest = &json(&folder, "a/report/nbest_predictions.json")["where"];
    assert_eq!(
        (nbest.as_array().unwrap().len(), &nbest[0]["text"], &nbest[0]["start"]),
        (3, &"an oven".into(), &57.into())
    );
    let report = json(&folder, "a/report/report.json");
    assert_eq!(report["official"]["f1"], 95.0);
    assert_eq!(report["by_position"][0]["questions"], 3);
    assert_eq!(report["abstention"]["at_coverage"][0]["wanted"], 0.1);
    let page = fs::read_to_string(folder.path("a/report/report.html")).unwrap();
    assert!(page.contains("Pumps &#38; &#60;engines&#62;"), "titles are escaped");
    assert!(page.contains("<mark class=\"both\">May 1911</mark>") && page.contains("<mark class=\"gold\">in </mark>"));
    let alone = page.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "");
    assert!(!alone.contains("http") && !alone.contains("src="), "the page loads nothing from elsewhere");
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        match entry.path().is_dir() {
            true => names.extend(walk(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}"))),
            false => names.push(name),
        }
    }
    names.sort();
    names
}

#[test]
fn an_interrupted_run_is_resumed() {
    let folder = folder();
    let arguments = ["eval", "dev.json", "--json", "--out", "report"];
    let whole = printed(&folder, &arguments);
    let answers = fs::read(folder.path("report/answers.jsonl")).unwrap();
    check_failed(&folder.run(&arguments), "`report`: the folder is not empty");
    let lines: Vec<usize> = (0..answers.len()).filter(|&at| answers[at] == b'\n').collect();
    for length in [lines[0] + 1, lines[1] + 1, lines[2] + 40, answers.len()] {
        fs::write(folder.path("report/answers.jsonl"), &answers[..length]).unwrap();
        assert_eq!(printed(&folder, &[&arguments[..], &["--resume"]].concat()), whole, "{length} bytes");
        assert_eq!(fs::read(folder.path("report/answers.jsonl")).unwrap(), answers, "{length} bytes");
    }
    let other = |more: &[&str]| folder.run(&[&arguments[..], &["--resume"], more].concat());
    check_failed(&other(&["--threshold", "3"]), "that run had threshold none, this one has \"3\"");
    check_failed(&other(&["--limit", "2"]), "that run had other questions");
    check_failed(&other(&["--precision", "bf16"]), "that run had precision \"f32\", this one has \"bf16\"");
}

#[test]
fn paragraphs_in_context_and_samples_can_be_saved() {
    let folder = folder();
    let arguments = ["eval", "dev.json", "--json", "--context-tokens", "100", "--save-data", "long.json"];
    let found = printed(&folder, &arguments);
    let saved = json(&folder, "long.json");
    let context = saved["data"][0]["paragraphs"][0]["context"].as_str().unwrap();
    assert!(context.starts_with("A later engine") && context.contains("there.\n\nThe pump"), "{context}");
    assert_eq!(printed(&folder, &["eval", "long.json", "--json"]), found);
    check_failed(&folder.run(&["eval", "dev.json", "--save-data", "./dev.json"]), "one of the files that are read");
    let two = printed(&folder, &["eval", "dev.json", "--json", "--limit", "2", "--save-data", "two.json"]);
    assert!(two.contains("\"total\": 2,"), "{two}");
    assert_eq!(printed(&folder, &["eval", "two.json", "--json"]), two);
    if cfg!(unix) {
        let printed = printed(&folder, &["eval", "two.json", "--json", "--save-data", "/dev/stdout"]);
        let saved = fs::read_to_string(folder.path("two.json")).unwrap();
        assert_eq!(printed, saved + &two);
    }
}

/// The lines of a file of teacher answers.
fn teacher_lines(folder: &Folder, file: &str) -> Vec<Value> {
    let content = fs::read_to_string(folder.path(file)).unwrap();
    content.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn teacher_answers_are_places_in_the_paragraphs() {
    let folder = folder();
    let saved = ["--save-teacher-answers", "short.jsonl"];
    let plain = printed(&folder, &["eval", "dev.json", "--json"]);
    assert_eq!(printed(&folder, &[&["eval", "dev.json", "--json"], &saved[..]].concat()), plain);
    printed(
        &folder,
        &["eval", "dev.json", "--json", "--context-tokens", "100", "--save-teacher-answers", "long.jsonl"],
    );
    for file in ["short.jsonl", "long.jsonl"] {
        let lines = teacher_lines(&folder, file);
        let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
        assert_eq!(ids, ["who", "when", "why", "where"], "{file}");
        assert!(
            fs::read_to_string(folder.path(file)).unwrap().starts_with("{\"id\":\"who\",\"starts\":[[38,0."),
            "{file}"
        );
        // The best start and end are those of the answer: `Ada Brown`, `May 1911`, none, `an oven`.
        for (line, expected) in lines.iter().zip([Some([38, 47]), Some([26, 34]), None, Some([57, 64])]) {
            let best = [&line["starts"][0][0], &line["ends"][0][0]];
            let no_answer = line["no_answer"][0].as_f64().unwrap();
            match expected {
                Some(expected) => assert!(best == expected && no_answer < 0.5, "{file}: {line}"),
                None => assert!(no_answer > 0.5, "{file}: {line}"),
            }
            let count = line["starts"].as_array().unwrap().len();
            let pairs = line["starts"].as_array().unwrap().iter().map(|pair| pair[1].as_f64().unwrap());
            let sum: f64 = no_answer + pairs.sum::<f64>();
            assert!((0.9..1.0001).contains(&sum) && (1..=20).contains(&count), "{file}: a sum of {sum}: {line}");
        }
    }
    let refused = |file: &str, message: &str| {
        check_failed(&folder.run(&["eval", "dev.json", "--save-teacher-answers", file]), message);
    };
    refused("./dev.json", "one of the files that are read");
    refused("missing/t.jsonl", "missing");
}

#[test]
fn teacher_answers_of_an_interrupted_run_are_those_of_a_whole_one() {
    let folder = folder();
    let arguments = ["eval", "dev.json", "--json", "--out", "report", "--save-teacher-answers", "t.jsonl"];
    printed(&folder, &arguments);
    let [answers, lines] = ["report/answers.jsonl", "t.jsonl"].map(|file| fs::read(folder.path(file)).unwrap());
    let third = answers.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    fs::write(folder.path("report/answers.jsonl"), &answers[..third + 30]).unwrap();
    fs::remove_file(folder.path("t.jsonl")).unwrap();
    printed(&folder, &[&arguments[..], &["--resume"]].concat());
    let found = ["report/answers.jsonl", "t.jsonl"].map(|file| fs::read(folder.path(file)).unwrap());
    assert!(found == [answers, lines], "a resumed run gave other files");
    let without = folder.run(&["eval", "dev.json", "--json", "--out", "report", "--resume"]);
    check_failed(&without, "that run had save_teacher_answers true, this one has none");
}

#[test]
fn bad_data_are_errors_with_a_place_or_left_out() {
    let folder = folder();
    let question = |value: &mut Value, key: &str, to: Value| value["data"][0]["paragraphs"][1]["qas"][0][key] = to;
    let place = "`bad.json`: article 1 `Pumps_&_<engines>`, paragraph 2, question `who`";
    for (key, value, message) in [
        ("answers", json!([{"text": "Ada"}, {"answer_start": 37}]), "no `text`"),
        ("question", Value::Null, "no `question`"),
    ] {
        replace(&folder, "bad.json", |data| question(data, key, value.clone()));
        check_failed(&folder.run(&["eval", "bad.json"]), &format!("{place}: {message}"));
        let ran = folder.run(&["eval", "bad.json", "--json", "--skip-bad"]);
        assert!(ran.status == 0 && ran.stdout.contains("\"total\": 3,"), "{ran:?}");
        assert!(ran.stderr.starts_with(&format!("warning: left out: {place}: {message}")), "{ran:?}");
    }
    let place = "article `Pumps_&_<engines>`, paragraph `The pump was installed in May…`, question `who`: the question is empty";
    replace(&folder, "bad.json", |data| question(data, "question", json!(" ")));
    check_failed(&folder.run(&["eval", "bad.json"]), place);
    let ran = folder.run(&["eval", "bad.json", "--json", "--skip-bad"]);
    assert_eq!((ran.status, ran.stderr), (0, format!("warning: left out: {place}\n")));
    check_failed(&folder.run(&["eval", "dev.json", "dev.json.gz"]), "question `who`: another question has the same id");
    for (content, message) in [
        ("", "`bad.json`: empty: expected SQuAD data"),
        ("{\"data\": [", "`bad.json`: EOF while parsing a list at line 1 column 10"),
        ("{\"data\": []}", "`bad.json`: no questions"),
    ] {
        fs::write(folder.path("bad.json"), content).unwrap();
        check_failed(&folder.run(&["eval", "bad.json"]), message);
    }
    check_failed(&folder.run(&["eval", "missing.json"]), "`missing.json`: no such file");
}

#[test]
fn predictions_for_other_data_are_refused() {
    let folder = folder();
    let evaluate = |predictions: &str, more: &[&str]| {
        fs::write(folder.path("p.json"), predictions).unwrap();
        folder.run(&[&["eval", "dev.json", "--json", "--predictions", "p.json"], more].concat())
    };
    check_failed(&evaluate("{\"x\": \"y\"}", &[]), "`p.json`: 1 prediction, but none for a question of the data");
    check_failed(&evaluate("[]", &[]), "`p.json`: 0 predictions, but none for a question of the data");
    check_failed(&evaluate("[{}]", &[]), "`p.json`: entry 1: missing field `id`");
    check_failed(&evaluate("{\"who\": 3}", &[]), "`p.json`: invalid type: integer `3`, expected a string");
    let ran = evaluate("{\"who\": \"Ada Brown\", \"other\": \"\"}", &[]);
    assert_eq!(
        ran.stderr,
        "warning: `p.json`: no prediction for question `when` and 2 others: left out of every figure\n"
    );
    assert!(
        ran.status == 0 && ran.stdout.starts_with("{\n  \"exact\": 100.0,\n  \"f1\": 100.0,\n  \"total\": 1,"),
        "{ran:?}"
    );
    fs::write(folder.path("odds.json"), "{\"why\": 1}").unwrap();
    let odds = ["--null-odds", "odds.json"];
    check_failed(&evaluate("{\"who\": \"x\"}", &odds), "`odds.json`: no null odds of question `who`");
    // As in the script, odds that are probabilities are never above the default.
    fs::write(folder.path("odds.json"), "{\"why\": 1, \"who\": 0.25, \"when\": 0.5, \"where\": 1.5}").unwrap();
    let all = "{\"who\": \"Ada Brown\", \"when\": \"May 1911\", \"why\": \"\", \"where\": \"oven\"}";
    let ran = evaluate(all, &[&odds[..], &["--out", "report"]].concat());
    assert!(ran.stdout.contains("\"exact\": 50.0,") && ran.stdout.contains("\"best_f1_thresh\": 1.5,"), "{ran:?}");
    let report = json(&folder, "report/report.json");
    assert_eq!((&report["run"], &report["by_length"][0]["questions"]), (&Value::Null, &4.into()));
    assert_eq!(folder.run(&["eval", "dev.json", "--null-odds", "odds.json"]).status, 2);
}

#[test]
fn a_calibrated_copy_gives_other_scores_for_the_same_answers() {
    let folder = folder();
    check_failed(&folder.run(&["calibrate", "dev.json"]), "not a folder of yours, so nothing can be written into it");
    replace(&folder, "v1.json", |data| drop(data["data"][0]["paragraphs"][1]["qas"].as_array_mut().unwrap().pop()));
    check_failed(&folder.run(&["calibrate", "v1.json", "--out", "v1"]), "the data have no question without an answer");
    let drawn = ["calibrate", "dev.json", "--limit", "1", "--context-tokens", "0", "--out", "drawn"];
    check_failed(&folder.run(&drawn), "--limit 1: drew 1 question, and none with");
    let precise = ["calibrate", "dev.json", "--out", "copy", "--target-precision", "0.9", "--context-tokens", "0"];
    check_failed(&folder.run(&precise), "--target-precision 0.9: no threshold reaches it with 30 answers or more");
    fs::create_dir(folder.path("other")).unwrap();
    fs::write(folder.path("other/config.json"), "{}").unwrap();
    check_failed(
        &folder.run(&["calibrate", "dev.json", "--out", "other"]),
        "`other`: the folder holds something other than this model",
    );
    let reading = ["--context-tokens", "100", "--verify-tokens", "40"];
    let arguments = [&["calibrate", "dev.json", "--out", "copy", "--json"][..], &reading].concat();
    // Eight questions are too few for a calibration, so there is a warning.
    let calibrated = |arguments: &[&str]| -> Value {
        let ran = folder.run(arguments);
        assert!(ran.status == 0 && ran.stderr.ends_with("no better than they were: give more data\n"), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let report = calibrated(&arguments);
    let names: Vec<_> = report["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["all", "as they are", "100 tokens"]);
    let settings = json(&folder, "copy/longspan.json");
    assert_eq!(settings["calibration"], report["calibration"]);
    assert_eq!(settings["null_score_diff_threshold"], report["threshold"]);
    assert_eq!(settings["verify_tokens"], 40);
    let info: Value = serde_json::from_str(&printed(&folder, &["info", "-m", "copy", "--json"])).unwrap();
    assert_eq!(
        info["model"]["calibrated_on"],
        "dev.json: 4 questions as they are, 4 among neighbours up to 100 tokens, in f32"
    );

    // The copy gives other scores for the same spans. A second calibration starts from the uncalibrated scores.
    let evaluate = |model: &str, out: &str| {
        let model: &[&str] = if model.is_empty() { &[] } else { &["-m", model] };
        printed(&folder, &[&["eval", "dev.json.gz", "--json", "--threshold", "0", "--out", out], model].concat())
    };
    assert_eq!(evaluate("", "before"), evaluate("copy", "after"));
    let scores = |out: &str| json(&folder, &format!("{out}/nbest_predictions.json"))["who"][0]["probability"].clone();
    assert_ne!(scores("before"), scores("after"));
    // A folder in the place of the file that is tried: nothing else keeps every user from writing.
    fs::create_dir(folder.path("copy/.longspan-was-here")).unwrap();
    check_failed(&folder.run(&["calibrate", "dev.json", "--out", "copy"]), "error: `copy`: ");
    fs::remove_dir(folder.path("copy/.longspan-was-here")).unwrap();
    let again = ["calibrate", "dev.json", "-m", "copy", "--context-tokens", "100", "--json"];
    let again: Value = serde_json::from_slice(&folder.command(&again).output().unwrap().stdout).unwrap();
    assert_eq!(again["calibration"], report["calibration"]);
    let once_more = folder.run(&arguments);
    assert!(once_more.stderr.contains("warning: `copy`: this model is there already, and its calibration is replaced"));

    let own = folder.run(&["eval", "dev.json", "-m", "copy", "--json"]);
    assert!(
        own.stderr
            .starts_with("warning: threshold and scores of the model were fitted on a file of the name `dev.json`"),
        "{own:?}"
    );
}

#[test]
fn a_threshold_is_chosen_for_a_precision() {
    let folder = folder();
    replace(&folder, "many.json", |data| {
        for (a, article) in data["data"].as_array_mut().unwrap().iter_mut().enumerate() {
            for paragraph in article["paragraphs"].as_array_mut().unwrap() {
                let asked = paragraph["qas"].as_array().unwrap().clone();
                let copy = |i: usize| {
                    let copy = move |mut question: Value| {
                        question["id"] = json!(format!("{a} {i} {}", question["id"]));
                        question
                    };
                    asked.clone().into_iter().map(copy)
                };
                paragraph["qas"] = (0..40).flat_map(copy).collect();
            }
        }
    });
    let arguments = ["calibrate", "many.json", "--out", "copy", "--target-precision", "0.66", "--context-tokens", "0"];
    let ran = folder.run(&arguments);
    let few = "warning: too few articles, or too few answers in them, to check what was fitted: give more data\n";
    let warnings = format!("{NO_STRICT}{few}");
    assert_eq!((ran.status, &ran.stderr), (0, &warnings), "a third of the answers is wrong: {ran:?}");
    let shown = ran.stdout;
    for part in ["all, before", "too few answers in them", "written to copy/longspan.json"] {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
    // Of the three questions with an answer, two are exact matches; the odds of the fourth question are far from theirs.
    let saved = json(&folder, "copy/longspan.json");
    let evaluate = ["eval", "many.json", "-m", "copy", "--out", "report"];
    assert_eq!(folder.run(&evaluate).status, 0);
    let report = json(&folder, "report/report.json");
    assert_eq!(report["run"]["threshold"], saved["null_score_diff_threshold"]);
    let figure = |key: &str| report["official"][key].as_f64().unwrap().round();
    assert_eq!((figure("HasAns_f1"), figure("NoAns_f1")), (93.0, 100.0));
}

/// A file whose questions have an answer, about articles of one paragraph.
fn answered() -> String {
    let article = |id: &str, context: &str, question: &str, text: &str| {
        let answers = json!([{"text": text, "answer_start": context.find(text).unwrap()}]);
        json!({"paragraphs": [{"context": context, "qas": [{"id": id, "question": question, "answers": answers}]}]})
    };
    json!({"data": [
        article("tower", "The tower was built by Carl Ros.", "Who built the tower?", "Carl Ros"),
        article("colour", "The colour of the sea is a dark green.", "What is the colour of the sea?", "dark green"),
    ]})
    .to_string()
}

#[test]
fn a_model_is_calibrated_on_a_mixture_with_its_longest_answer() {
    let folder = folder();
    fs::write(folder.path("answered.json"), answered()).unwrap();
    check_failed(
        &folder.run(&["calibrate", "answered.json", "--out", "copy"]),
        "the data have no question without an answer",
    );
    fs::write(folder.path("one.json"), json!({"data": [data()["data"][0]]}).to_string()).unwrap();
    check_failed(
        &folder.run(&["calibrate", "one.json", "--unrelated", "--out", "copy"]),
        "--unrelated: the data have one article, so no question has another",
    );
    let both = ["calibrate", "dev.json", "--fit-max-answer-length", "--max-answer-length", "9", "--out", "copy"];
    assert_eq!(folder.run(&both).status, 2);

    let arguments = ["calibrate", "dev.json", "answered.json", "--unrelated", "--fit-max-answer-length"];
    let more = ["--context-tokens", "100", "--out", "copy", "--json"];
    let ran = folder.run(&[&arguments[..], &more].concat());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let parts: Vec<_> = report["parts"].as_array().unwrap().iter().collect();
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    let expected = [
        "all",
        "dev.json, as they are",
        "dev.json, 100 tokens",
        "answered.json, as they are",
        "unrelated, as they are",
    ];
    assert_eq!(names, [&expected[..], &["unrelated, 100 tokens"]].concat());
    let counts: Vec<_> = parts.iter().map(|part| part["questions"].as_u64().unwrap()).collect();
    // The articles of the second file have no neighbours.
    assert_eq!(counts, [22, 4, 4, 2, 6, 6]);
    let mean = |which: &str| parts[1..].iter().map(|part| part[which]["f1"].as_f64().unwrap()).sum::<f64>() / 5.0;
    for which in ["before", "after", "other_kinds", "eager"] {
        assert!((parts[0][which]["f1"].as_f64().unwrap() - mean(which)).abs() < 1e-9, "{which}: {report}");
        assert_eq!(parts[4][which]["has_answer_f1"], Value::Null);
    }
    assert_eq!(parts[0]["strict"], Value::Null);

    let tried = report["lengths"].as_array().unwrap();
    let lengths: Vec<_> = tried.iter().map(|tried| tried["max_answer_length"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [15, 20, 30, 45, 64, 90, 128, 180, 256]);
    let settings = json(&folder, "copy/longspan.json");
    let chosen = &settings["max_answer_length"];
    let best = tried.iter().map(|tried| tried["f1"][0].as_f64().unwrap()).fold(0.0, f64::max);
    let first = tried.iter().find(|tried| tried["f1"][0].as_f64() == Some(best)).unwrap();
    assert_eq!((chosen, &settings["abstain"]), (&first["max_answer_length"], &report["abstain"]));
    let fitted_on = report["calibration"]["fitted_on"].as_str().unwrap();
    assert!(fitted_on.starts_with("dev.json, answered.json: 6 questions as they are, 4 among neighbours up to 100"));
    assert!(fitted_on.contains("tokens, 6 put to other articles, 6 put to other articles up to 100 tokens, in f32"));
    let shown = folder.run(&[&arguments[..], &["--context-tokens", "0", "--out", "other"]].concat()).stdout;
    for part in
        ["unrelated, as they are, eager", "F1 by the longest answer", "\n  balanced       ", "longest answer   "]
    {
        assert!(shown.contains(part), "`{part}` is not in {shown}");
    }
}

/// The warning where too few answers are right.
const NO_STRICT: &str = "warning: no threshold reaches a precision of 85% with 30 answers or more: the model has none \
                         for `--abstain strict`\n";

#[test]
fn thresholds_have_names() {
    let folder = folder();
    let calibrate = ["calibrate", "dev.json", "--context-tokens", "0", "--out", "copy", "--json"];
    let ran = folder.run(&calibrate);
    assert!(ran.status == 0 && ran.stderr.starts_with(NO_STRICT), "{ran:?}");
    let mut settings = json(&folder, "copy/longspan.json");
    assert_eq!(settings["abstain"]["balanced"], settings["null_score_diff_threshold"]);
    fs::write(folder.path("bread.txt"), "Bread is baked in an oven.").unwrap();
    let ask = |how: &str| folder.run(&["ask", "Where is bread baked?", "bread.txt", "-m", "copy", "--abstain", how]);
    let missing = "--abstain strict: the checkpoint has no such threshold: `longspan calibrate` fits it";
    check_failed(&ask("strict"), missing);
    let evaluate = |how: &str| folder.run(&["eval", "dev.json", "-m", "copy", "--out", "report", "--abstain", how]);
    check_failed(&evaluate("strict"), missing);
    assert!(!folder.path("report").exists());

    settings["abstain"]["strict"] = json!(-1e9);
    fs::write(folder.path("copy/longspan.json"), settings.to_string()).unwrap();
    assert_eq!((ask("strict").status, ask("eager").status), (1, 0));
    let shown = evaluate("strict").stdout;
    assert!(shown.contains("threshold -1000000000 (strict), "), "{shown}");
    let report = json(&folder, "report/report.json");
    assert_eq!((&report["run"]["abstain"], report["official"]["HasAns_f1"].as_f64()), (&json!("strict"), Some(0.0)));
    check_failed(
        &folder.run(&["eval", "dev.json", "-m", "copy", "--out", "report", "--resume", "--abstain", "eager"]),
        "that run had abstain \"strict\", this one has \"eager\"",
    );
    let info: Value = serde_json::from_str(&printed(&folder, &["info", "-m", "copy", "--json"])).unwrap();
    assert_eq!(info["model"]["abstain"], settings["abstain"]);
    let shown = printed(&folder, &["info", "-m", "copy"]);
    assert!(shown.contains("\n  abstain            strict -1000000000, balanced "), "{shown}");
    fs::write(folder.path("p.json"), r#"{"who": "Ada Brown"}"#).unwrap();
    assert_eq!(folder.run(&["eval", "dev.json", "--predictions", "p.json", "--abstain", "strict"]).status, 2);

    settings["abstain"]["balanced"] = json!(1e9);
    fs::write(folder.path("copy/longspan.json"), settings.to_string()).unwrap();
    check_failed(&ask("eager"), "abstain: balanced is 1000000000: expected null_score_diff_threshold, ");
}

#[test]
fn options_are_checked_before_any_file_is_written() {
    let folder = folder();
    let refused = |more: &[&str], message: &str| {
        check_failed(&folder.run(&[&["eval", "dev.json", "--out", "out"], more].concat()), message);
        assert!(!folder.path("out").exists() && !folder.path("saved.json").exists(), "{more:?}");
    };
    for (option, value, message) in [
        ("--max-tokens", "9999", "--max-tokens 9999: the model has positions for 4096"),
        ("--doc-stride", "16000000", "--doc-stride 16000000: windows have room for "),
        ("--global-attention", "99999", "--global-attention 99999: inputs have 4096 tokens"),
    ] {
        refused(&["--save-data", "saved.json", option, value], message);
    }
    refused(&["--predictions", "none.json"], "`none.json`: no such file");
    refused(&["--predictions", "dev.json"], "predictions are an object of texts by question id");
}
