//! `longspan ask`: answers, places, ranking and formats.

use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use super::{BREAD, Folder, PUMP, check_failed, gz, masked, ran};

const WHO: &str = "Who installed the pump?";
const NOT_THERE: &str = "Who painted the ceiling of the chapel?";

fn folder() -> Folder {
    Folder::new(&[("pump.txt", PUMP.as_bytes()), ("bread.txt", BREAD.as_bytes()), ("pump.gz", &gz(PUMP.as_bytes()))])
}

fn check(arguments: &[&str], status: i32, stdout: &str) {
    let ran = folder().run(arguments);
    assert_eq!((ran.status, masked(&ran.stdout).as_str(), ran.stderr.as_str()), (status, stdout, ""), "{arguments:?}");
}

#[test]
fn an_answer_is_shown_with_its_place_and_sentence() {
    let expected = "\
Ada Brown
  score S (f32)  pump.txt:1  characters 39–48
  The pump was installed in May 1911 by »Ada Brown« 🚰.
";
    check(&["ask", WHO, "pump.txt"], 0, expected);
    check(&["ask", "--color", "never", WHO, "pump.gz"], 0, &expected.replace(".txt", ".gz"));
}

#[test]
fn a_wrapped_sentence_is_shown_as_one_line() {
    let expected = "\
Hull & Sons
  score S (f32)  pump.txt:5  characters 117–128
  A later engine, built by the firm of »Hull & Sons« in 1950, is still there.
";
    check(&["ask", "Which firm built the later engine?", "pump.txt"], 0, expected);
}

#[test]
fn an_abstention_shows_the_best_guess() {
    let ran = folder().run(&["ask", "--threshold", "-inf", WHO, "pump.txt"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
    let shown = masked(&ran.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[..2], ["no answer", "  score S (f32)  pump.txt"]);
    let (said, guess) = lines[2].split_once("): ").unwrap();
    assert!(said.starts_with("  closest, but not sure enough ("), "{lines:?}");
    assert_eq!(guess, "The pump was installed in May 1911 by »Ada Brown« 🚰.  pump.txt:1  characters 39–48");
    assert_eq!(lines.len(), 3);
    // A guess that is next to impossible is none.
    let ran = folder().run(&["ask", NOT_THERE, "bread.txt"]);
    assert_eq!((ran.status, masked(&ran.stdout).as_str()), (1, "no answer\n  score S (f32)  bread.txt\n"));
}

#[test]
fn a_question_without_quotes_is_one_error() {
    let folder = folder();
    let check = |arguments: &[&str], message: &str| check_failed(&folder.run(&[&["ask"], arguments].concat()), message);
    check(&["Who", "installed", "the", "pump", "pump.txt"], "`installed`: no such file");
    std::fs::write(folder.path("questions"), WHO).unwrap();
    let ran = folder.run(&["ask", "Who?", "--questions", "questions", "pump.txt"]);
    assert!(ran.stderr.contains("hint: with --questions every argument is a document"), "{}", ran.stderr);
    // Missing files stop no other ones.
    for files in [&["Who", "none", "pump.txt", "nothing"][..], &["--questions", "questions", "a file", "pump.txt"]] {
        let ran = folder.run(&[&["ask"], files].concat());
        assert!(ran.status == 2 && ran.stdout.contains("pump.txt"), "{ran:?}");
    }
    let ran = folder.run(&["ask", "Who", "installed", "the", "pump", "pump.txt"]);
    assert!(ran.stderr.contains("hint: put the question in quotes"), "{}", ran.stderr);
    // Files that are missing under a question in quotes are errors of their own.
    let ran = folder.run(&["ask", WHO, "none", "nothing", "pump.txt"]);
    assert_eq!((ran.status, ran.stderr.matches("no such file").count()), (2, 2));
}

#[test]
fn standard_input_is_a_document() {
    for arguments in [&["ask", WHO][..], &["ask", WHO, "-"]] {
        let ran = ran(folder().command(arguments).write_stdin(gz(PUMP.as_bytes())));
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("<stdin>:1  characters 39–48\n"), "{ran:?}");
    }
}

#[test]
fn documents_are_ranked_and_errors_do_not_stop_the_others() {
    let ran = folder().run(&["ask", "--json", WHO, "bread.txt", "missing.txt", "pump.txt"]);
    assert_eq!(ran.stderr, "error: `missing.txt`: no such file\nhint: check the path, and that you may read it\n");
    assert_eq!(ran.status, 2);
    let documents: Vec<Value> = lines(&ran.stdout).into_iter().map(|line| line["document"].clone()).collect();
    assert_eq!(documents, ["pump.txt", "bread.txt"]);
    // One document with an answer is enough for status 0.
    assert_eq!(folder().run(&["ask", WHO, "bread.txt", "pump.txt"]).status, 0);
}

#[test]
fn what_is_printed_can_be_chosen_and_the_status_stays() {
    let folder = folder();
    let check = |options: &[&str], printed: &[&str], hidden: &str| {
        let arguments = |format| [&["ask", WHO, "bread.txt", "pump.txt", "pump.gz"], options, format].concat();
        let ran = folder.run(&arguments(&["--json"]));
        let documents: Vec<Value> = lines(&ran.stdout).into_iter().map(|line| line["document"].clone()).collect();
        assert_eq!((documents, ran.status), (printed.iter().map(|&name| name.into()).collect(), 0), "{options:?}");
        let text = folder.run(&arguments(&[])).stdout;
        assert_eq!(text.lines().last().filter(|line| line.ends_with("not shown")).unwrap_or_default(), hidden);
    };
    check(&[], &["pump.txt", "pump.gz", "bread.txt"], "");
    check(&["--unranked"], &["bread.txt", "pump.txt", "pump.gz"], "");
    check(&["--unranked", "--answered-only"], &["pump.txt", "pump.gz"], "1 result not shown");
    check(&["--answered-only"], &["pump.txt", "pump.gz"], "1 result not shown");
    check(&["--best-documents", "1"], &["pump.txt"], "2 results not shown");
    check(&["--min-score", "0.01", "--best-documents", "9"], &["pump.txt", "pump.gz"], "1 result not shown");
    check(&["--min-score", "1"], &[], "3 results not shown");
    assert_eq!(folder.run(&["ask", WHO, "bread.txt", "--answered-only"]).stdout, "1 result not shown\n");
}

#[test]
fn a_table_has_a_row_for_each_document() {
    let folder = folder();
    std::fs::write(folder.path("questions"), format!("{WHO}\nWhen was the \"pump\", installed?\n")).unwrap();
    std::fs::write(folder.path("a,b.txt"), PUMP).unwrap();
    let table = |options: &[&str]| {
        let files = ["ask", "--csv", "--questions", "questions", "bread.txt", "none.txt", "a,b.txt"];
        let ran = folder.run(&[&files, options].concat());
        assert_eq!(ran.status, 2, "none.txt is missing");
        let score = |cell: &str| cell.len() == 5 && cell.starts_with("0.");
        let row =
            |row: &str| row.split(',').map(|cell| if score(cell) { "S" } else { cell }).collect::<Vec<_>>().join(",");
        ran.stdout.lines().map(row).collect::<Vec<_>>()
    };
    let columns = ["score", "page", "page_line", "heading", "line", "no_answer_score"];
    let [first, second] = [1, 2].map(|number| columns.map(|column| format!("{number}: {column}")).join(","));
    let head = format!("document,1: {WHO},{first},\"2: When was the \"\"pump\"\", installed?\",{second}");
    let answers = "\"a,b.txt\",Ada Brown,S,,,,1,S,May 1911,S,,,,1,S";
    assert_eq!(table(&[]), [&head, "bread.txt,,,,,,,S,,,,,,,S", answers]);
    assert_eq!(table(&["--answered-only"]), [&head, answers]);
}

#[test]
fn questions_from_a_file_become_headings() {
    let folder = folder();
    std::fs::write(folder.path("questions"), format!("\u{feff}{WHO}\r\n\r\n  When was the pump installed?  \n"))
        .unwrap();
    let ran = folder.run(&["ask", "--questions", "questions", "pump.txt"]);
    let expected = "\
# Who installed the pump?

Ada Brown
  score S (f32)  pump.txt:1  characters 39–48
  The pump was installed in May 1911 by »Ada Brown« 🚰.

# When was the pump installed?

May 1911
  score S (f32)  pump.txt:1  characters 27–35
  The pump was installed in »May 1911« by Ada Brown 🚰.
";
    assert_eq!((ran.status, masked(&ran.stdout).as_str(), ran.stderr.as_str()), (0, expected, ""));
}

#[test]
fn one_unanswered_question_is_enough_for_status_1() {
    let folder = folder();
    let ran = ran(folder
        .command(&["ask", "--json", "--questions", "-", "pump.txt"])
        .write_stdin(format!("{WHO}\n{NOT_THERE}\n")));
    let answers: Vec<Value> = lines(&ran.stdout).into_iter().map(|line| line["answer"].clone()).collect();
    assert_eq!((answers, ran.status), (vec![Value::from("Ada Brown"), Value::Null], 1));
}

/// The objects of JSON output.
fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Keys that every object has.
const KEYS: [&str; 17] = [
    "document",
    "question",
    "answer",
    "score",
    "no_answer_score",
    "null_odds",
    "start",
    "end",
    "start_byte",
    "end_byte",
    "line",
    "answers",
    "tokens",
    "windows",
    "model",
    "precision",
    "seconds",
];

#[test]
fn the_objects_of_json_have_a_schema() {
    let ran = folder().run(&["ask", "--json-schema"]);
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.status, ran.stderr.as_str(), &schema["required"]), (0, "", &KEYS.to_vec().into()));
    assert_eq!(schema["properties"]["answers"]["type"], "array");
}

/// The keys of the outermost object, in their order.
fn keys(line: &str) -> Vec<String> {
    let (mut keys, mut depth, mut string, mut escaped) = (Vec::new(), 0, None::<String>, false);
    for c in line.chars() {
        match (&mut string, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(text), '"') => keys.push((depth, std::mem::take(text), false)),
            (Some(text), _) => text.push(c),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') => depth -= 1,
            (None, ':') => keys.last_mut().unwrap().2 = true,
            _ => {}
        }
        if c == '"' && !escaped {
            string = if string.is_some() { None } else { Some(String::new()) };
        }
    }
    keys.into_iter().filter(|(depth, _, is_key)| *depth == 1 && *is_key).map(|(_, key, _)| key).collect()
}

#[test]
fn json_places_are_exact_in_a_text_of_many_scripts() {
    let text = format!("e\u{301}\0\u{200b}\u{a0}</s> <mask> [SEP] 👩‍👩‍👧\r\n\r {PUMP}\u{2028}漢字\x1b[31m\n");
    let folder = Folder::new(&[("nasty.txt", text.as_bytes())]);
    for question in [WHO, "When did it stop?", NOT_THERE] {
        let ran = folder.run(&["ask", "--json", "-k", "20", question, "nasty.txt"]);
        assert!(!ran.stdout.contains('\x1b'));
        let mut keys = keys(ran.stdout.trim_end());
        let sentence = keys.iter().position(|key| key == "sentence").map(|at| (at, drop(keys.remove(at))));
        assert_eq!(keys, KEYS);
        assert_eq!(sentence.map(|(at, ())| at), ran.stdout.contains("\"answer\":\"").then_some(11));
        let line = &lines(&ran.stdout)[0];
        let number = |key: &str| line[key].as_u64().map(|number| number as usize);
        let slice = |start: u64, end: u64| text.chars().skip(start as usize).take((end - start) as usize).collect();
        for span in line["answers"].as_array().unwrap() {
            let place = |key: &str| span[key].as_u64().unwrap() as usize;
            let found: String = slice(span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap());
            assert_eq!(
                (&span["text"], &text[place("start_byte")..place("end_byte")]),
                (&found.as_str().into(), &*found)
            );
            assert_eq!(place("line"), 1 + text[..place("start_byte")].matches('\n').count());
        }
        match number("start_byte") {
            Some(start) => {
                let answer = &text[start..number("end_byte").unwrap()];
                assert_eq!(line["answer"], answer);
                assert_eq!(line["answers"][0]["text"], answer);
                assert_eq!(line["score"], line["answers"][0]["score"]);
                assert_eq!(number("start").unwrap(), text[..start].chars().count());
                assert_eq!(number("line").unwrap(), 1 + text[..start].matches('\n').count());
            }
            None => {
                for key in ["answer", "start", "end", "end_byte", "line"] {
                    assert_eq!(line[key], Value::Null, "{key}");
                }
                assert_eq!(line["score"], line["no_answer_score"]);
                assert!(!line["answers"].as_array().unwrap().is_empty());
            }
        }
        assert_eq!(ran.status, i32::from(line["answer"].is_null()));
    }
}

#[test]
fn top_k_and_all_list_more_spans() {
    let folder = folder();
    let spans = |arguments: &[&str]| {
        let ran = folder.run(&[&["ask", "--json", WHO, "pump.txt"], arguments].concat());
        let line = lines(&ran.stdout).remove(0);
        (line["answer"].is_null(), line["answers"].as_array().unwrap().len())
    };
    assert_eq!(spans(&[]), (false, 1));
    assert_eq!(spans(&["--top-k", "3"]), (false, 3));
    assert_eq!(spans(&["--threshold", "-inf", "--top-k", "2"]), (true, 2));
    assert_eq!(spans(&["--all", "--threshold", "-inf"]), (true, 1));
    let (abstained, all) = spans(&["--all", "--threshold", "inf"]);
    assert!(!abstained && all > 5, "{all}");
    let shown = folder.run(&["ask", "--top-k", "2", WHO, "pump.txt"]).stdout;
    let further = shown.lines().nth(3).unwrap();
    assert!(further.starts_with("    ") && further.contains("  pump.txt:") && further.contains('»'), "{shown}");
}

#[test]
fn reading_options_reach_the_reader() {
    let folder = folder();
    let line = |arguments: &[&str]| {
        let ran = folder.run(&[&["ask", "--json", WHO, "pump.txt"], arguments].concat());
        assert_eq!(ran.stderr, "", "{arguments:?}");
        lines(&ran.stdout).remove(0)
    };
    assert_eq!(line(&[])["windows"], 1);
    assert!(line(&["--max-tokens", "30", "--doc-stride", "5"])["windows"].as_u64() > Some(1));
    let short = line(&["--max-answer-length", "1", "--threshold", "inf"]);
    assert!(!short["answer"].as_str().unwrap().contains(' '));
    let verified = ["0", "6"].map(|tokens| line(&["--max-answer-length", "4", "--verify-tokens", tokens]));
    assert_eq!(verified[0]["answers"][0]["start"], verified[1]["answers"][0]["start"]);
    assert_ne!(verified[0]["null_odds"], verified[1]["null_odds"]);
    let scores: Vec<Value> =
        ["question", "first", "none", "0,3"].map(|which| line(&["--global-attention", which])["score"].clone()).into();
    assert!(scores[1..].iter().all(|score| *score != scores[0]), "{scores:?}");
    let threads: Vec<Value> = ["1", "2"].map(|threads| line(&["--threads", threads])["score"].clone()).into();
    assert_eq!(threads, [scores[0].clone(), scores[0].clone()]);
    for precision in ["f32", "bf16", "int8"] {
        let line = line(&["--precision", precision]);
        assert_eq!((&line["precision"], &line["answer"]), (&precision.into(), &"Ada Brown".into()));
    }
}

#[test]
fn colours_need_a_terminal_or_an_option() {
    let folder = folder();
    let plain = folder.run(&["ask", WHO, "pump.txt"]).stdout;
    assert!(!plain.contains('\x1b'));
    let coloured = folder.run(&["ask", "--color", "always", WHO, "pump.txt"]).stdout;
    assert!(coloured.contains("Ada Brown\x1b[0m 🚰."), "{coloured:?}");
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain.replace(['»', '«'], ""));
    let json = folder.run(&["ask", "--color", "always", "--json", WHO, "pump.txt"]).stdout;
    assert!(!json.contains('\x1b'));
}

#[test]
fn escape_sequences_of_a_document_do_not_reach_the_terminal() {
    let text = "The \x1b[2J\x1b]0;title\x07pump was installed by \u{9b}31mAda\x1b[1m Brown\u{202e} in 1911.\n";
    let folder = Folder::new(&[("bad\x1b[31m.txt", text.as_bytes())]);
    let ran = folder.run(&["ask", WHO, "bad\x1b[31m.txt", "none\x1b[31m.txt"]);
    for shown in [&ran.stdout, &ran.stderr] {
        assert!(!shown.is_empty() && !shown.contains(['\x1b', '\x07', '\u{9b}', '\u{202e}']), "{shown:?}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = folder();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("longspan"));
    command.args(["ask", "-k", "5", WHO, "pump.txt"]).current_dir(folder.path(".")).env_remove("LONGSPAN_MODEL");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
