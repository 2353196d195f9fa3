//! `longspan text`, and documents with pages, in folders and in a child process.

use serde_json::{Value, json};

use super::{BREAD, Folder, PUMP, check_failed, gz, masked, ran};

const WHO: &str = "Who installed the pump?";

/// A text of two pages.
fn pages() -> String {
    format!("The house has a pump.\n\u{c}\n2\n\n{}", PUMP.trim_start_matches('\u{feff}'))
}

#[test]
fn plain_text_is_printed_unchanged() {
    let text = format!("\u{feff}a\tb\u{c}\r\n{PUMP}\x1b[1m\0");
    let folder = Folder::new(&[("a.txt", text.as_bytes()), ("a.gz", &gz(text.as_bytes())), ("empty", b"")]);
    for file in ["a.txt", "a.gz"] {
        let ran = folder.run(&["text", file]);
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (0, text.as_str(), ""));
    }
    assert_eq!(ran(folder.command(&["text"]).write_stdin(text.as_bytes())).stdout, text);
    check_failed(&folder.run(&["text", "empty"]), "`empty`: empty");
}

#[test]
fn the_map_of_a_text_is_one_object() {
    let text = pages();
    let folder = Folder::new(&[("é.txt", text.as_bytes())]);
    let ran = folder.run(&["text", "--json", "é.txt"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    let characters = text.chars().count();
    let expected = json!({"document": "é.txt", "format": "text", "characters": characters, "bytes": text.len(),
        "pages": [{"page": 1, "start": 0, "start_byte": 0}, {"page": 2, "start": 23, "start_byte": 23}], "blocks": []});
    assert_eq!((ran.status, object, ran.stdout.lines().count(), ran.stderr.as_str()), (0, expected, 1, ""));
}

#[test]
fn an_answer_has_its_page() {
    let folder = Folder::new(&[("pages.txt", pages().as_bytes())]);
    let ran = folder.run(&["ask", WHO, "pages.txt"]);
    let expected = "\
Ada Brown
  score S (f32)  pages.txt:5, page 2  characters 65–74
  The pump was installed in May 1911 by »Ada Brown« 🚰.
";
    assert_eq!((masked(&ran.stdout).as_str(), ran.stderr.as_str()), (expected, ""));
    let object: Value = serde_json::from_str(&folder.run(&["ask", "--json", WHO, "pages.txt"]).stdout).unwrap();
    let span = &object["answers"][0];
    for object in [&object, span] {
        assert_eq!((&object["page"], &object["page_line"], &object["line"]), (&json!(2), &json!(2), &json!(5)));
        assert_eq!((object.get("heading"), object.get("page_label"), object.get("boxes")), (None, None, None));
    }
    assert_eq!(object["sentence"]["before"], "The pump was installed in May 1911 by ");
    assert_eq!(span["start_utf16"], span["start"]);
    let table = folder.run(&["ask", "--csv", WHO, "pages.txt"]).stdout;
    assert!(
        table.starts_with(&format!("document,{WHO},score,page,page_line,heading,line,no_answer_score\n"))
            && table.contains(",2,2,,5,"),
        "{table}"
    );
}

#[test]
fn what_is_no_file_says_what_to_do() {
    let folder = Folder::new(&[("bread.txt", BREAD.as_bytes()), ("no-password", b"\n"), ("latin1", b"caf\xe9")]);
    let check = |arguments: &[&str], message: &str, hint: &str| {
        for command in [&["ask", WHO][..], &["text"]] {
            let ran = folder.run(&[command, arguments].concat());
            check_failed(&ran, message);
            assert!(ran.stderr.contains(hint), "{ran:?}");
        }
    };
    check(&["https://example.com/a.pdf"], "`https://example.com/a.pdf`: an address, not a file", "download it first");
    check(&["."], "`.`: a folder, not a file", "--recursive");
    check(&["--password-file", "no-password", "bread.txt"], "`no-password`: no password", "the first line");
    check(&["--password-file", "latin1", "bread.txt"], "`latin1`: invalid UTF-8", "the first line");
    check(&["--password-file", "none", "bread.txt"], "`none`: no such file", "the first line");
}

/// A folder of documents and other files.
fn many() -> Folder {
    let folder = Folder::new(&[]);
    for (path, content) in [
        ("docs/b/pump.txt", PUMP.as_bytes()),
        ("docs/b.txt", BREAD.as_bytes()),
        ("docs/a.txt", BREAD.as_bytes()),
        ("docs/a.log", PUMP.as_bytes()),
        ("docs/.hidden.txt", PUMP.as_bytes()),
        ("docs/.ignore", b"ignored.txt\n"),
        ("docs/ignored.txt", PUMP.as_bytes()),
        ("docs/picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\0\xff"),
        ("docs/empty.txt", b""),
    ] {
        std::fs::create_dir_all(folder.path(path).parent().unwrap()).unwrap();
        std::fs::write(folder.path(path), content).unwrap();
    }
    folder
}

fn documents(stdout: &str) -> Vec<String> {
    let objects = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter_map(|object| Some(object["document"].as_str()?.replace('\\', "/"))).collect()
}

#[test]
fn folders_are_searched_in_the_order_of_their_paths() {
    let folder = many();
    let ask = |arguments: &[&str]| {
        let ran = folder.run(&[&["ask", "--json", "--unranked", WHO], arguments].concat());
        (documents(&ran.stdout), ran.status, ran.stderr)
    };
    let skipped = "warning: 2 files in folders skipped, empty or of a kind that is not read: `docs/empty.txt`, \
                   `docs/picture.png`\n";
    let all = ["docs/a.log", "docs/a.txt", "docs/b/pump.txt", "docs/b.txt"].map(String::from).to_vec();
    assert_eq!(ask(&["-r", "docs"]), (all.clone(), 0, skipped.into()));
    assert_eq!(ask(&["docs/b.txt", "-r", "docs/b"]).0, ["docs/b.txt", "docs/b/pump.txt"]);
    assert_eq!(ask(&["-r", "--glob", "*.txt", "--glob", "!a*", "docs"]).0, ["docs/b/pump.txt", "docs/b.txt"]);
    assert_eq!(ask(&["-r"]).0, all.iter().map(|name| format!("./{name}")).collect::<Vec<_>>());
    // What is named is an error, and so is what is a folder without `-r`.
    let (found, status, stderr) = ask(&["-r", "docs/b", "docs/picture.png", "docs/empty.txt"]);
    assert_eq!((found, status, stderr.matches("error: ").count()), (vec!["docs/b/pump.txt".into()], 2, 2), "{stderr}");
    let (found, status, stderr) = ask(&["docs", "docs/b.txt"]);
    assert!(found == ["docs/b.txt"] && status == 2 && stderr.starts_with("error: `docs`: a folder"), "{stderr}");
    check_failed(&folder.run(&["ask", WHO, "-r", "--glob", "*.pdf", "docs"]), "`docs`: no files in the folder");
    check_failed(&folder.run(&["ask", WHO, "-r", "--glob", "a[", "docs"]), "--glob `a[`: ");
    // A file that is named is an error in a folder that is given too.
    let (_, status, stderr) = ask(&["-r", "docs", "docs/empty.txt"]);
    assert!(status == 2 && stderr.contains("error: `docs/empty.txt`: empty"), "{stderr}");
    // A text that is damaged is none of another kind, and a document for another program is none to skip.
    std::fs::write(folder.path("docs/b/cut.txt"), b"d\xc3\xa9j\xc3\xa0 v\xc3").unwrap();
    std::fs::write(folder.path("docs/b/letter.rtf"), b"{\\rtf1 It ran.}").unwrap();
    let (found, status, stderr) = ask(&["-r", "docs/b"]);
    let named =
        ["cut.txt`: invalid UTF-8 at byte ", "letter.rtf`: an RTF document, which is not read\nhint: convert it"];
    assert!(
        found == ["docs/b/pump.txt"] && status == 2 && named.iter().all(|error| stderr.contains(error)),
        "{stderr}"
    );
    assert!(!stderr.contains("skipped"), "{stderr}");
}

/// The lines of a file without the times that the model took.
fn lines(folder: &Folder, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.path(name)).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("seconds")));
    lines
}

#[test]
fn answers_go_to_a_file_that_a_later_run_continues() {
    let folder = many();
    std::fs::write(folder.path("questions"), format!("{WHO}\nWhen was the pump installed?\n")).unwrap();
    let ask = |arguments: &[&str]| {
        let ran =
            folder.run(&[&["ask", "--questions", "questions", "--out", "docs/out.jsonl", "-r"], arguments].concat());
        (ran.status, ran.stdout.clone(), ran.stderr.clone())
    };
    let skipped = "warning: 2 files in folders skipped, empty or of a kind that is not read: `docs/empty.txt`, \
                   `docs/picture.png`\n";
    assert_eq!(ask(&["docs"]), (0, String::new(), skipped.into()));
    let whole = lines(&folder, "docs/out.jsonl");
    assert_eq!(
        (whole.len(), &whole[0]["document"], &whole[0]["longspan"]),
        (9, &Value::Null, &env!("CARGO_PKG_VERSION").into())
    );
    assert_eq!(whole[5..7].iter().map(|line| &line["answer"]).collect::<Vec<_>>(), ["Ada Brown", "May 1911"]);
    assert_eq!((&whole[5]["document"], &whole[5]["file_bytes"]), (&"docs/b/pump.txt".into(), &PUMP.len().into()));
    assert!(whole[5]["file_modified_us"].as_u64().unwrap() > 1_700_000_000_000_000);
    let (status, _, stderr) = ask(&["docs"]);
    assert!(status == 2 && stderr.starts_with("error: `docs/out.jsonl`: it is there already\nhint: "), "{stderr}");
    // Nothing is asked again, and the status is that of all answers.
    let before = std::fs::read(folder.path("docs/out.jsonl")).unwrap();
    assert_eq!(ask(&["docs", "--resume"]).0, 0);
    assert_eq!(std::fs::read(folder.path("docs/out.jsonl")).unwrap(), before);
    // A file that changed is asked again; one that is new is added.
    std::fs::write(folder.path("docs/a.log"), BREAD).unwrap();
    std::fs::write(folder.path("docs/c.txt"), PUMP).unwrap();
    assert_eq!(ask(&["docs", "--resume"]).0, 0);
    let again = lines(&folder, "docs/out.jsonl");
    let names: Vec<&str> = again.iter().skip(1).step_by(2).map(|line| line["document"].as_str().unwrap()).collect();
    assert_eq!(names, ["docs/a.txt", "docs/b/pump.txt", "docs/b.txt", "docs/a.log", "docs/c.txt"]);
    assert_eq!((&again[1..7], &again[7]["answer"]), (&whole[3..9], &Value::Null));
    for (other, message) in [
        (&["--top-k", "2"][..], "`docs/out.jsonl`: that run had spans \"Top(1)\", this one has \"Top(2)\""),
        (&["--format", "text"], "that run had format none, this one has \"text\""),
        (&["--questions", "docs/a.txt"], "cannot be used multiple times"),
    ] {
        let (status, _, stderr) = ask(&[&["docs", "--resume"], other].concat());
        assert!(status == 2 && stderr.contains(message), "{stderr}");
    }
    std::fs::write(folder.path("questions"), WHO).unwrap();
    assert!(ask(&["docs", "--resume"]).2.contains("that run had other questions"));
}

/// A folder with documents of the corpus of `longspan-documents`, whose scripts say how they were made.
pub fn with_corpus(files: &[&str]) -> Folder {
    let folder = Folder::new(&[("password", b"pump\r\nanother line\n"), ("wrong", b"well\n")]);
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan-documents/tests/golden");
    for file in files {
        std::fs::copy(corpus.join(file), folder.path(file.rsplit('/').next().unwrap())).unwrap();
    }
    folder
}

#[test]
fn an_answer_in_a_pdf_document_has_its_page_and_heading() {
    let folder = with_corpus(&["pdf/pages.pdf"]);
    let question = "Since when has a company owned the pump?";
    let shown = folder.run(&["ask", question, "pages.pdf"]);
    let expected = "1911\n  score S (f32)  pages.pdf, page i (1 in the file), line 5, under \"1. Wells\"\n  ";
    assert!(masked(&shown.stdout).starts_with(expected) && shown.stderr.is_empty(), "{shown:?}");
    let object: Value = serde_json::from_str(&folder.run(&["ask", "--json", question, "pages.pdf"]).stdout).unwrap();
    let place = |object: &Value| ["page", "page_label", "page_line", "heading"].map(|key| object[key].clone());
    let expected = [json!(1), json!("i"), json!(5), json!(["Pumps", "1. Wells"])];
    assert_eq!((place(&object), place(&object["answers"][0])), (expected.clone(), expected));
    let boxes = object["answers"][0]["boxes"].as_array().unwrap();
    assert_eq!((boxes.len(), &boxes[0]["page"]), (1, &json!(1)));
    // The offsets are those of the text that is printed.
    let text = folder.run(&["text", "pages.pdf"]).stdout;
    let byte = |key: &str| object[key].as_u64().unwrap() as usize;
    assert_eq!(&text[byte("start_byte")..byte("end_byte")], "1911");
    let map: Value = serde_json::from_str(&folder.run(&["text", "--json", "pages.pdf"]).stdout).unwrap();
    assert_eq!(
        (&map["format"], &map["title"], &map["language"]),
        (&json!("pdf"), &json!("The Life of Pumps"), &json!("en-GB"))
    );
    assert_eq!(map["pages"].as_array().unwrap().len(), 3);
    assert_eq!((&map["pages"][0]["label"], &map["pages"][0]["width"]), (&json!("i"), &json!(300.0)));
    assert_eq!((&map["blocks"][2]["kind"], &map["blocks"][2]["level"]), (&json!("heading"), &json!(2)));
}

#[test]
fn an_encrypted_document_needs_its_password() {
    let folder = with_corpus(&["pdf/encrypted.pdf"]);
    let without = folder.run(&["text", "encrypted.pdf"]);
    check_failed(&without, "`encrypted.pdf`: encrypted: it needs a password");
    assert!(without.stderr.contains("hint: --password-file FILE"), "{without:?}");
    let wrong = folder.run(&["text", "encrypted.pdf", "--password-file", "wrong"]);
    check_failed(&wrong, "`encrypted.pdf`: encrypted: the password is wrong");
    std::fs::write(folder.path("marked"), "\u{feff}pump\n").unwrap();
    for file in ["password", "marked"] {
        let right = folder.run(&["text", "encrypted.pdf", "--password-file", file]);
        assert_eq!((right.status, right.stdout.trim_end()), (0, "It is open to who knows the word."));
    }
    let asked = folder.run(&["ask", "To whom is it open?", "encrypted.pdf", "--password-file", "password", "--json"]);
    assert!(asked.status < 2 && asked.stderr.is_empty(), "{asked:?}");
}

#[test]
fn markup_has_the_bytes_of_its_file() {
    let page = format!("<!DOCTYPE html><h1>Water &amp; more</h1><p>{}", PUMP.trim_start_matches('\u{feff}'));
    let folder = Folder::new(&[("page.html", page.as_bytes())]);
    let object: Value = serde_json::from_str(&folder.run(&["ask", "--json", WHO, "page.html"]).stdout).unwrap();
    let of_file = |source: &Value| {
        let byte = |key: &str| source[key].as_u64().unwrap() as usize;
        page[byte("start_byte")..byte("end_byte")].to_owned()
    };
    assert_eq!(of_file(&object["source"]), "Ada Brown");
    assert_eq!(object["answers"][0]["source"], object["source"]);
    let map: Value = serde_json::from_str(&folder.run(&["text", "--json", "page.html"]).stdout).unwrap();
    assert_eq!(of_file(&map["blocks"][0]["source"]), "Water &amp; more");
}

#[test]
fn pages_without_text_are_said() {
    let folder = with_corpus(&["pdf/scan.pdf", "pdf/scan_alone.pdf"]);
    let said = "2 of 3 pages have no text, as scans have: 2–3";
    let warning = format!("warning: `scan.pdf`: {said}\nhint: `ocrmypdf IN OUT` recognizes the text on the pictures\n");
    assert_eq!(folder.run(&["text", "scan.pdf"]).stderr, warning);
    let asked = folder.run(&["ask", "--json", "What is the text?", "scan.pdf"]);
    let object: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!((asked.stderr, &object["warnings"]), (warning, &json!([{"code": "no_text", "message": said}])));
    let alone = folder.run(&["ask", "What is the text?", "scan_alone.pdf"]);
    check_failed(&alone, "`scan_alone.pdf`: its only page has no text");
    assert!(alone.stderr.contains("`ocrmypdf"), "{alone:?}");
}

#[test]
fn office_documents_are_read() {
    let folder = with_corpus(&["office/tables.docx", "office/text.odt"]);
    for (file, format) in [("tables.docx", "docx"), ("text.odt", "odt")] {
        let map: Value = serde_json::from_str(&folder.run(&["text", "--json", file]).stdout).unwrap();
        assert_eq!(map["format"], format);
        let cells = map["blocks"].as_array().unwrap().iter().filter(|block| block["kind"] == "cell");
        assert!(format == "odt" || cells.count() > 1, "{map}");
        check_failed(&folder.run(&["text", "--format", "pdf", file]), &format!("`{file}`: not a PDF document"));
    }
}
