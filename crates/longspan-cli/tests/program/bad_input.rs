//! Questions, documents and options that cannot be used: one clear line, a hint, exit status 2.

use super::train::learnable;
use super::{BREAD, Folder, check_failed, gz, ran, small_model};

fn check(files: &[(&str, &[u8])], arguments: &[&str], message: &str) {
    check_failed(&Folder::new(files).run(&[&["ask"], arguments].concat()), message);
}

#[test]
fn bad_documents() {
    let document = |name: &str, content: &[u8], message: &str| check(&[(name, content)], &["who?", name], message);
    document("empty.txt", b"", "`empty.txt`: empty");
    document("blank.txt", " \r\n\t\u{a0}\u{2028}".as_bytes(), "`blank.txt`: empty but for white space");
    document("mark.txt", "\u{feff}".as_bytes(), "`mark.txt`: empty but for white space");
    document("empty.gz", &gz(b""), "`empty.gz`: empty");
    document("damaged.txt", b"\xc3\xa9t\xc3\xa9 \xff", "`damaged.txt`: invalid UTF-8 at byte 6");
    document("binary", b"abc\0\xff", "`binary`: a binary file: NUL at byte 3");
    document("binary", b"ab\0\0c", "`binary`: a binary file: 2 NULs, the first at byte 2");
    document("a.pdf", b"%PDF-1.4\n\xe2\xe3", "`a.pdf`: a PDF document");
    document("a.docx", b"PK\x03\x04\x14\0", "`a.docx`: a DOCX document that cannot be read: ");
    document("a.zip", b"PK\x03\x04\x14\0", "`a.zip`: a zip archive, which is not read");
    document("a.rtf", b"{\\rtf1 a}", "`a.rtf`: an RTF document, which is not read");
    document("utf32.txt", b"\xff\xfe\0\0a\0\0\0", "`utf32.txt`: UTF-32 text");
    let packed = gz(BREAD.as_bytes());
    document("cut.gz", &packed[..packed.len() / 2], "`cut.gz`: its gzip data end too early");
    document("cut.gz", &gz(b"\xc3\xa9\xc3\xa9\xc3"), "`cut.gz`: invalid UTF-8 at byte 4 of the unpacked text");
    check(&[], &["who?", "missing.txt"], "`missing.txt`: no such file");
    check(&[], &["who?", "."], "`.`: a folder, not a file");
    let folder = Folder::new(&[]);
    for arguments in [&["ask", "who?"][..], &["ask", "who?", "-"]] {
        check_failed(&ran(folder.command(arguments).write_stdin("")), "error: `standard input`: empty");
    }
    check_failed(&ran(folder.command(&["eval", "-"]).write_stdin("{}")), "`standard input`: no `data`");
    let no_question = r#"{"data": []}"#;
    check_failed(&ran(folder.command(&["eval", "-"]).write_stdin(no_question)), "`standard input`: no questions");
}

#[test]
fn text_that_is_damaged_or_in_another_encoding() {
    for (content, hint) in [
        (&b"caf\xe9 au lait"[..], "`iconv -f ENCODING -t UTF-8`"),
        (b"\xff\xfeh\0i\0", "`iconv -f ENCODING -t UTF-8`"),
        (b"d\xc3\xa9j\xc3\xa0 v\xc3", "ends within a character"),
        (b"d\xc3\xa9j\xc3\xa0 \xff v", "correct that place"),
    ] {
        let folder = Folder::new(&[("text", content), ("bread.txt", BREAD.as_bytes())]);
        let ran = folder.run(&["ask", "--questions", "text", "bread.txt"]);
        check_failed(&ran, "`text`: ");
        assert!(ran.stderr.contains(hint), "{}", ran.stderr);
        if !hint.contains("iconv") {
            check_failed(&folder.run(&["ask", "who?", "text"]), "`text`: invalid UTF-8 at byte ");
        }
    }
}

#[test]
fn a_document_in_another_encoding_is_read() {
    let latin1: Vec<u8> = "Bread was first baked by Ada Brown in 1911, in a café.\n".chars().map(|c| c as u8).collect();
    let units: Vec<u8> =
        "Bread was first baked by Ada Brown in 1911, in a café.\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for content in [latin1, units] {
        let ran = Folder::new(&[("a.txt", &content)]).run(&["ask", "Who first baked bread?", "a.txt"]);
        assert!(ran.status == 0 && ran.stdout.starts_with("Ada Brown\n"), "{ran:?}");
    }
}

#[test]
fn a_stray_nul_is_read() {
    let text = format!("Bread\0 was first baked by Ada Brown in 1911.\n{}", BREAD.repeat(100));
    let ran = Folder::new(&[("a.txt", text.as_bytes())]).run(&["ask", "Who first baked bread?", "a.txt"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with("Ada Brown\n") && ran.stdout.contains("a.txt:1  characters 26–35\n"), "{ran:?}");
    assert!(ran.stdout.contains("Bread\u{fffd} was"), "{ran:?}");
}

#[test]
fn bad_questions() {
    let bread: &[(&str, &[u8])] = &[("bread.txt", BREAD.as_bytes()), ("blank", b"\n \n"), ("latin1", b"wh\xe9?\n")];
    check(bread, &["", "bread.txt"], "the question is empty");
    check(bread, &[" \u{a0}\t", "bread.txt"], "the question is empty");
    check(bread, &[&"why ".repeat(5000), "bread.txt"], "the question has ");
    check(
        bread,
        &["--max-tokens", "8", "what is bread made from?", "bread.txt"],
        "the question has 6 tokens, at most 3",
    );
    let blank = Folder::new(bread).run(&["ask", "--questions", "blank", "bread.txt"]);
    check_failed(&blank, "questions: `blank`: empty");
    assert!(blank.stderr.ends_with("hint: a file of questions has one on each line\n"), "{blank:?}");
    check(bread, &["--questions", "latin1", "bread.txt"], "questions: `latin1`: text in ");
    check(bread, &["--questions", "missing", "bread.txt"], "questions: `missing`: no such file");
    check(bread, &["--questions", "-"], "standard input cannot hold both");
}

#[test]
fn a_bad_question_among_others_is_reported_once() {
    let questions = format!("{}\nWhat is bread made from?\n", "why ".repeat(5000));
    let folder =
        Folder::new(&[("a.txt", BREAD.as_bytes()), ("b.txt", BREAD.as_bytes()), ("questions", questions.as_bytes())]);
    let ran = folder.run(&["ask", "--json", "--questions", "questions", "a.txt", "b.txt"]);
    assert_eq!(ran.status, 2);
    assert_eq!(ran.stdout.lines().count(), 2);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    let named = "error: `questions`, line 1: question `why why ";
    assert!(errors.len() == 1 && errors[0].starts_with(named), "{}", ran.stderr);
    assert!(errors[0].len() < 200);
    std::fs::write(folder.path("questions"), "What is bread?\n\n\x01\n").unwrap();
    let ran = folder.run(&["ask", "--questions", "questions", "a.txt"]);
    assert!(
        ran.stderr.starts_with("error: `questions`, line 3: question `\u{fffd}`: the question is empty\n"),
        "{ran:?}"
    );
}

#[test]
fn options_beyond_the_model_are_refused() {
    let bread: &[(&str, &[u8])] = &[("bread.txt", BREAD.as_bytes())];
    let option = |option: &str, value: &str, message: &str| {
        check(bread, &["What is bread?", "bread.txt", option, value], message);
    };
    option("--max-tokens", "1000000", "1000000");
    option("--doc-stride", "1000000", "1000000");
    option("--global-attention", "0,1000000", "1000000");
}

#[test]
fn invalid_options_are_refused_before_any_file_is_read() {
    let folder = Folder::new(&[]);
    for (arguments, message) in [
        (&["ask"][..], "the following required arguments were not provided"),
        (&["ask", "q", "--top-k", "0"], "--top-k"),
        (&["ask", "q", "--threshold", "nan"], "expected a number"),
        (&["ask", "q", "--threads", "0"], "--threads"),
        (&["ask", "q", "--threads", "-1"], "'--threads <N>': expected a whole number from 1 to 4096"),
        (&["eval", "d", "--n-best-size", "10001"], "'--n-best-size <N>': expected a whole number from 1 to 10000"),
        (&["bench", "--threads", "1,-2"], "'--threads <N,N>': expected a whole number from 1 to 4096"),
        (&["convert", "a", "b", "--threads", "-1"], "'--threads <N>': expected a whole number from 1 to 4096"),
        (&["ask", "q", "--global-attention", "some"], "expected `question`, `first`, `none`"),
        (&["ask", "q", "--precision", "f64"], "possible values: auto, f32"),
        (&["ask", "q", "--nonsense"], "unexpected argument '--nonsense'"),
        (&["answer"], "unrecognized subcommand 'answer'"),
    ] {
        let ran = folder.run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn an_empty_value_is_none() {
    let folder = learnable();
    std::fs::write(folder.path("recipe.toml"), "model = \"\"").unwrap();
    let train = ["train", "--train", "train.json", "--out", "out"];
    for (argument, arguments) in [
        ("--model", &["ask", "-m", "", "who?", "train.json"][..]),
        ("--model", &["info", "-m", ""]),
        ("--model", &["bench", "-m", ""]),
        ("SRC", &["convert", "", "out"]),
        ("--model", &[&train[..], &["-m", ""]].concat()),
        ("--teacher", &[&train[..], &["-m", "base", "--teacher", ""]].concat()),
        ("--model", &[&train[..], &["--recipe", "recipe.toml"]].concat()),
    ] {
        check_failed(&folder.run(arguments), &format!("error: {argument}: the name of the model is empty"));
    }
    for (arguments, option) in [
        (&["ask", "who?", "train.json", "--precision", ""][..], "--precision <WHICH>"),
        (&["eval", "train.json", "--out", ""], "--out <DIR>"),
        (&["convert", "base", ""], "<OUT>"),
    ] {
        let ran = folder.run(arguments);
        let message = format!("error: a value is required for '{option}' but none was supplied\n");
        assert!(ran.status == 2 && ran.stderr.starts_with(&message), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let folder = Folder::new(&[("bread.txt", BREAD.as_bytes())]);
    let names = [
        "LONGSPAN_ISA",
        "LONGSPAN_PRECISION",
        "LONGSPAN_MODEL",
        "HF_HOME",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "XDG_CACHE_HOME",
    ];
    let model = small_model();
    for arguments in [
        &["ask", "What is bread made from?", "bread.txt"][..],
        &["info", "--json"],
        &["bench", "-m", model.to_str().unwrap(), "--lengths", "16", "--passes", "1"],
    ] {
        let mut process = folder.process(arguments);
        process.envs(names.map(|name| (name, "")));
        let ran = ran(&mut assert_cmd::Command::from_std(process));
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn a_pdf_in_the_place_of_a_text_gets_the_hint_of_the_command() {
    let folder = Folder::new(&[("a.pdf", b"%PDF-1.7\n"), ("bread.txt", BREAD.as_bytes())]);
    for (arguments, hint) in [
        (&["eval", "a.pdf"][..], "data are JSON in the form of SQuAD"),
        (&["ask", "--questions", "a.pdf", "bread.txt"], "a file of questions has one on each line"),
        (&["cite", "--quotes", "a.pdf", "bread.txt"], "each line is a quotation"),
        (&["cite", "It is baked in an oven", "bread.txt"], "a quotation goes into a file"),
        (
            &["pretrain", "-m", "embedded", "--text", "a.pdf", "--out", "out"],
            "texts are plain text or JSON lines, perhaps gzip: `longspan text` turns a PDF into",
        ),
    ] {
        let ran = folder.run(arguments);
        check_failed(&ran, "");
        assert!(ran.stderr.contains(&format!("hint: {hint}")), "{arguments:?}: {ran:?}");
    }
}
