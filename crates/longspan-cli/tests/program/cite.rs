//! `longspan cite`.

use serde_json::{Value, json};

use super::{Folder, check_failed, ran};

const CONTRACT: &str = "The Board will appoint one person desig-\nnated by JANA within sixty (60) days.\n\u{c}\nThe Company shall \
                        not disclose it.\n";

const ANSWER: &str = "It appoints “one person designated by JANA”, `\"not this one here\"`, the \"Company\", “within 30 days”, \
                      “shall not disclose it” and “for ever and ever”.\n";

/// Bytes of no format, with no NUL among them.
const GARBAGE: &[u8] = b"\x01\x02\x81\x8d\x03\x04\x90\x05\x9d\x06\x07\x8f\x0e\x81\x0f\x10";

fn folder() -> Folder {
    Folder::new(&[("contract.txt", CONTRACT.as_bytes()), ("answer.md", ANSWER.as_bytes())])
}

#[test]
fn quotations_are_shown_with_their_places() {
    let ran = folder().run(&["cite", "answer.md", "contract.txt"]);
    let expected = "\
normalised  line 1  \"one person designated by JANA\"  contract.txt:1, page 1  hyphen
altered     line 1  \"within 30 days\"                 contract.txt:2, page 1  30 → sixty (60)
exact       line 1  \"shall not disclose it\"          contract.txt:4, page 2
not found   line 1  \"for ever and ever\"
4 quotations: 2 proven, 1 altered, 1 not found
";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.status), (expected, "", 1));
}

#[test]
fn the_status_is_chosen() {
    let folder = folder();
    for (fail_on, status) in [("none", 0), ("altered", 1), ("exact", 1), ("unchecked,misplaced", 0)] {
        assert_eq!(
            folder.run(&["cite", "--fail-on", fail_on, "answer.md", "contract.txt"]).status,
            status,
            "{fail_on}"
        );
    }
    let ran = folder.run(&["cite", "answer.md", "missing.txt", "contract.txt"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.starts_with("error: `missing.txt`: no such file\n"), "{}", ran.stderr);
    assert!(ran.stdout.contains("unchecked   line 1  \"for ever and ever\"\n"), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("2 proven, 2 unchecked\nnot everything was read: missing.txt\n"), "{}", ran.stdout);
}

#[test]
fn documents_of_a_folder_that_are_not_read_leave_quotations_unchecked() {
    let folder = folder();
    std::fs::create_dir(folder.path("texts")).unwrap();
    std::fs::write(folder.path("texts/a.txt"), CONTRACT).unwrap();
    std::fs::write(folder.path("texts/empty.txt"), "").unwrap();
    let last = |args: &[&str]| {
        let ran = folder.run(args);
        (ran.stdout.lines().last().unwrap_or_default().to_owned(), ran.status)
    };
    let of_all = ["cite", "-r", "answer.md", "texts"];
    assert_eq!(last(&of_all), ("4 quotations: 2 proven, 1 altered, 1 not found".into(), 1));
    // What is no document hides no quotation.
    std::fs::write(folder.path("texts/b.bin"), b"\x7fELF\x02\x01\x01\0\0\0\0\0").unwrap();
    std::fs::write(folder.path("texts/photo.jpg"), b"\xff\xd8\xff\xe0\0\x10JFIF\0").unwrap();
    assert_eq!(last(&of_all), ("4 quotations: 2 proven, 1 altered, 1 not found".into(), 1));
    let skipped = folder.run(&of_all).stderr;
    assert!(skipped.contains("3 files in folders skipped") && skipped.contains("photo.jpg`"), "{skipped}");
    for (name, bytes) in [
        ("letter.rtf", &b"{\\rtf1 It ran.}"[..]),
        ("damaged.pdf", b"\0\0\0\xff\0\0"),
        ("damaged.markdown", b"\0\0\0\xff\0\0"),
        ("damaged.txt", GARBAGE),
        ("damaged.txt.gz", GARBAGE),
    ] {
        std::fs::write(folder.path("texts").join(name), bytes).unwrap();
        let (unread, status) = last(&of_all);
        assert!(unread.starts_with("not everything was read: ") && unread.ends_with(name), "{unread}");
        assert_eq!(status, 2);
        std::fs::remove_file(folder.path("texts").join(name)).unwrap();
    }
    // A document of another format than the one that is asked for may have what is quoted.
    std::fs::write(folder.path("texts/page.txt"), b"%PDF-1.7").unwrap();
    let (unread, _) = last(&["cite", "-r", "--format", "text", "answer.md", "texts"]);
    assert!(unread.ends_with("page.txt"), "{unread}");
}

#[test]
fn an_open_check_tells_how_to_make_it_fail() {
    let folder = folder();
    // UTF-16 with half a pair in it.
    std::fs::write(folder.path("odd.txt"), b"\xff\xfeI\0t\0 \0r\0a\0n\0\0\xd8.\0").unwrap();
    let check = |options: &[&str], status: i32, has_hint: bool| {
        let ran = folder.run(&[&["cite", "answer.md", "contract.txt", "odd.txt"], options].concat());
        assert_eq!((ran.status, ran.stderr.contains("add `unchecked` to --fail-on")), (status, has_hint), "{ran:?}");
    };
    check(&[], 0, true);
    check(&["--fail-on", "unchecked"], 1, false);
}

#[test]
fn json_has_places_and_edits() {
    let folder = folder();
    let ran = ran(folder.command(&["cite", "--json", "-", "contract.txt"]).write_stdin(ANSWER));
    let objects: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((objects.len(), ran.status, ran.stderr.as_str()), (4, 1, ""));
    let [start, end] = ["start", "end"].map(|key| objects[0][key].as_u64().unwrap() as usize);
    assert_eq!(ANSWER.chars().skip(start).take(end - start).collect::<String>(), "one person designated by JANA");
    assert_eq!((&objects[0]["status"], &objects[0]["reasons"]), (&json!("normalised"), &json!(["hyphenation"])));
    let edits = json!([{"kind": "number", "from": "30", "to": "sixty (60)", "start": 7, "end": 9, "document_start": 62,
        "document_end": 72}]);
    assert_eq!((&objects[1]["edits"], &objects[1]["page"]), (&edits, &json!(1)));
    assert_eq!(objects[2]["places"][0]["text"], "shall not disclose it");
    assert_eq!((&objects[3]["document"], &objects[3]["nearest"]), (&Value::Null, &Value::Null));
    assert_eq!(objects[3]["checked"], json!({"documents": 1, "pages": 2, "unread": [], "unread_count": 0}));
    let schema: Value = serde_json::from_str(&folder.run(&["cite", "--json-schema"]).stdout).unwrap();
    assert_eq!(schema["title"], "Citation");
}

#[test]
fn a_list_names_documents_and_pages() {
    let folder = folder();
    let list = "one person designated by JANA\n\n\
        {\"id\": 7, \"quote\": \"shall not disclose it\", \"document\": \"Contract\", \"page\": 4}\n\
        {\"quote\": \"shall not disclose it\", \"page\": \"2\"}\n";
    std::fs::write(folder.path("quotes"), list).unwrap();
    let ran = folder.run(&["cite", "--quotes", "quotes", "--fail-on", "misplaced", "contract.txt"]);
    assert!(ran.stdout.contains("contract.txt:4, page 2  not in Contract, page 4\n"), "{}", ran.stdout);
    assert_eq!(ran.status, 1);
    let ran = folder.run(&["cite", "--quotes", "quotes", "--csv", "contract.txt"]);
    let expected = "id,quote,status,reasons,edits,document,page,page_line,heading,line,places\n\
        1,one person designated by JANA,normalised,hyphenation,,contract.txt,1,1,,1,1\n\
        7,shall not disclose it,exact,,,contract.txt,2,1,,4,1\n\
        4,shall not disclose it,exact,,,contract.txt,2,1,,4,1\n";
    assert_eq!((ran.stdout.as_str(), ran.status), (expected, 0));
    let list = format!("{{\"quote\": \" within 30 days\"}}\n…\n{}\n", "a ".repeat(1 << 17));
    std::fs::write(folder.path("quotes"), list).unwrap();
    let ran = folder.run(&["cite", "--quotes", "quotes", "--json", "contract.txt"]);
    let objects: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let known = |key: &str| objects.iter().map(|object| object[key].clone()).collect::<Value>();
    assert_eq!(known("status"), json!(["altered", "unchecked", "unchecked"]));
    assert_eq!(known("reasons"), json!([[], ["no_words"], ["too_long"]]));
    assert_eq!((&objects[0]["quote"], &objects[0]["edits"][0]["start"]), (&json!("within 30 days"), &json!(7)));
    for (list, said) in [
        ("{\"quote\": 1}", "quotations: `quotes`, line 1: invalid type: integer"),
        ("{\"quote\": \"a\", \"pag\": 1}", "quotations: `quotes`, line 1: unknown field `pag`"),
        ("{\"quote\": \"a\", \"page\": -1}", "line 1: `id`, `page`: expected a text or a whole number from 0 on"),
        ("\n", "quotations: `quotes`: empty"),
    ] {
        std::fs::write(folder.path("quotes"), list).unwrap();
        check_failed(&folder.run(&["cite", "--quotes", "quotes", "contract.txt"]), said);
    }
    check_failed(&folder.run(&["cite", "answer.md"]), "no documents");
}

#[test]
fn a_document_counts_once_whatever_its_paths() {
    let folder = folder();
    std::fs::create_dir(folder.path("texts")).unwrap();
    std::fs::write(folder.path("texts/contract.txt"), CONTRACT).unwrap();
    for files in [
        &["contract.txt", "./contract.txt"][..],
        &["-r", "texts", "texts/contract.txt"],
        &["-r", "./texts/contract.txt", "texts", "./texts"],
    ] {
        let ran = folder.run(&[&["cite", "--json", "answer.md"], files].concat());
        let first: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((&first["places_count"], &first["checked"]["documents"]), (&json!(1), &json!(1)), "{files:?}");
    }
    // An empty file that is named is an error, also where a folder has it under another path.
    std::fs::write(folder.path("texts/empty.txt"), "").unwrap();
    let ran = folder.run(&["cite", "-r", "answer.md", "texts", "./texts/empty.txt"]);
    assert_eq!((ran.status, ran.stderr.contains("empty.txt")), (2, true), "{ran:?}");
}
