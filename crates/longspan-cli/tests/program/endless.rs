//! Files without end, files that are longer than they may be, bombs, and foreign text without end in messages: one clear line
//! each.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::train::learnable;
use super::{BREAD, Folder, Ran, check_failed, gz, ran, small_model};

const MESSAGE_BYTES_MAX: usize = 1200;

/// A run that waits for so long has no end.
#[cfg(unix)]
const WAIT: std::time::Duration = std::time::Duration::from_secs(100);

fn check_short(folder: &Folder, arguments: &[&str], message: &str) {
    let ran = folder.run(arguments);
    check_failed(&ran, message);
    assert!(ran.stderr.len() < MESSAGE_BYTES_MAX, "{arguments:?}: {} bytes", ran.stderr.len());
}

/// A file without content that is so long.
fn sparse(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// Zeros that pack a thousand times.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    (0..bytes >> 20).for_each(|_| encoder.write_all(&[b' '; 1 << 20]).unwrap());
    encoder.finish().unwrap()
}

#[test]
#[cfg(unix)]
fn nothing_is_read_without_end() {
    let folder = learnable();
    fs::write(folder.path("d.txt"), BREAD).unwrap();
    sparse(&folder.path("zeros.jsonl"), (1 << 26) + 1);
    fs::write(folder.path("questions"), "a\n".repeat(100_001)).unwrap();
    // It is cut within a character.
    fs::write(folder.path("recipe.toml"), "#".to_owned() + &"\u{20ac}".repeat(1 << 17)).unwrap();
    for (arguments, message) in [
        (&["ask", "who?", "/dev/zero"][..], "`/dev/zero`: a binary file: 8192 NULs, the first at byte 0"),
        (&["ask", "--questions", "/dev/zero", "d.txt"], "questions: `/dev/zero`: a binary file"),
        (&["ask", "--questions", "questions", "d.txt"], "questions: `questions`: more than 100,000 questions"),
        (&["eval", "/dev/zero"], "`/dev/zero`: a binary file"),
        (&["eval", "train.json", "--predictions", "/dev/zero"], "`/dev/zero`: a binary file"),
        (
            &["train", "--recipe", "/dev/zero", "--out", "out"],
            "`/dev/zero`: longer than 262144 bytes, the most that is read",
        ),
        (&["pretrain", "--recipe", "recipe.toml", "--out", "out"], "`recipe.toml`: longer than 262144 bytes"),
        (&["pretrain", "--text", "/dev/zero", "--out", "out", "-m", "base"], "`/dev/zero`: not a plain file"),
        (
            &["pretrain", "--text", "zeros.jsonl", "--out", "out", "-m", "base"],
            "`zeros.jsonl`, line 1: longer than 67108864 bytes, the most that is read of a line",
        ),
    ] {
        check_short(&folder, arguments, message);
    }
    let mut interactive = folder.command(&["ask", "-i", "d.txt"]);
    let expected = "standard input: longer than 1048576 bytes, the most that is read of a line";
    check_failed(&ran(interactive.write_stdin(vec![0; 2 << 20])), expected);
    fs::remove_file(folder.path("base/config.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path("base/config.json")).unwrap();
    check_short(&folder, &["ask", "-m", "base", "who?", "d.txt"], "base/config.json`: not a plain file");
}

#[cfg(unix)]
pub fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Files that nobody named, each in turn a pipe without an end and a device without one.
#[test]
#[cfg(unix)]
fn files_that_nobody_named_are_plain() {
    let folder = learnable();
    fs::write(folder.path("d.txt"), BREAD).unwrap();
    let (ask, info) = (&["ask", "-m", "base", "who?", "d.txt"][..], &["info", "-m", "base"][..]);
    let train = &["train", "-m", "base", "--train", "train.json", "--out", "out"][..];
    let resume = &[train, &["--resume"]].concat()[..];
    let eval = &["eval", "train.json", "-m", "base", "--out", "out", "--resume"][..];
    let offline = &["fetch", "org/model", "--offline"][..];
    for (arguments, file, message) in [
        (ask, "base/config.json", Some("`base/config.json`: not a plain file")),
        (ask, "base/longspan.json", Some("`base/longspan.json`: not a plain file")),
        (ask, "base/tokenizer.json", Some("`base/tokenizer.json`: not a plain file")),
        (ask, "base/vocab.txt", Some("`base/vocab.txt`: not a plain file")),
        (ask, "base/model.safetensors", Some("`base/model.safetensors`: not a plain file")),
        (train, "base/model.safetensors", Some("`base/model.safetensors`: not a plain file")),
        (info, "base/README.md", None),
        (train, "out/recipe.toml", Some("`out/recipe.toml`: not a plain file")),
        (resume, "out/recipe.toml", Some("`out/recipe.toml`: not a plain file")),
        (eval, "out/answers.jsonl", Some("`out/answers.jsonl`: not a plain file")),
        (&["convert", "base", "out"], "out/.longspan-unfinished/moved", Some("moved`: not a plain file")),
        (offline, "no-cache/token", Some("no copy of it in ")),
        (offline, "no-cache/hub/models--org--model/refs/main", Some("no copy of it in ")),
    ] {
        let path = folder.path(file);
        let saved = fs::read(&path).ok();
        for is_pipe in [true, false] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&path);
            match is_pipe {
                true => make_pipe(&path),
                false => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            }
            let ran = ran(folder.command(arguments).timeout(WAIT));
            match message {
                Some(message) => check_failed(&ran, message),
                None => assert_eq!(ran.status, 0, "{file}: {ran:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        saved.map_or(Ok(()), |content| fs::write(&path, content)).unwrap();
        let _ = fs::remove_dir_all(folder.path("out"));
    }
}

#[test]
#[cfg(unix)]
fn a_cache_of_models_has_plain_files() {
    let (folder, hub) = (Folder::new(&[]), super::from_hub::hub());
    assert_eq!(super::from_hub::fetch(&folder, &hub, &[]).status, 0);
    let model = folder.path("no-cache/hub/models--org--model");
    let name = "ab".repeat(32);
    make_pipe(&model.join("blobs").join(&name));
    let link = model.join("snapshots").join(super::server::COMMIT).join("README.md");
    std::os::unix::fs::symlink(Path::new("../../blobs").join(&name), link).unwrap();
    let checked = ran(folder.command(&["fetch", "org/model", "--offline"]).timeout(WAIT));
    check_failed(&checked, "the copy of `README.md` in ");
}

#[test]
fn records_of_a_run_have_a_length() {
    let folder = learnable();
    let resume = ["eval", "train.json", "-m", "base", "--out", "report", "--resume"];
    fs::create_dir(folder.path("report")).unwrap();
    for (bytes, message) in [
        ((1 << 32) + 1, "has 4294967297 bytes, the most that is read is 4294967296"),
        ((1 << 24) + 1, "line 1: longer than 16777216 bytes, the most that is read of a line"),
    ] {
        sparse(&folder.path("report/answers.jsonl"), bytes);
        let path = if cfg!(windows) { "report\\answers.jsonl" } else { "report/answers.jsonl" };
        check_short(&folder, &resume, &format!("`{path}`: {message}"));
    }
}

#[test]
fn a_small_file_does_not_unpack_to_very_much() {
    let folder = learnable();
    fs::write(folder.path("bomb.gz"), bomb(80 << 20)).unwrap();
    fs::copy(folder.path("bomb.gz"), folder.path("bomb.jsonl.gz")).unwrap();
    fs::write(folder.path("d.txt"), BREAD).unwrap();
    let message = "at most 100 for each are read";
    for arguments in [
        &["ask", "who?", "bomb.gz"][..],
        &["eval", "bomb.gz"],
        &["eval", "train.json", "--predictions", "bomb.gz"],
        &["pretrain", "--text", "bomb.gz", "--out", "out", "-m", "base"],
        &["pretrain", "--text", "bomb.jsonl.gz", "--out", "out", "-m", "base"],
    ] {
        check_short(&folder, arguments, message);
    }
}

#[test]
fn messages_repeat_little_of_what_they_are_about() {
    let folder = learnable();
    let long = "x\n".repeat(1 << 19);
    let write = |name: &str, content: &str| fs::write(folder.path(name), content).unwrap();
    let squad = |title: &str, id: &str, start: usize| {
        let answers = json!([{"text": long, "answer_start": start}]);
        json!({"data": [{"title": title, "paragraphs": [{"context": "x", "qas": [
            {"id": id, "question": "?", "answers": answers}]}]}]})
        .to_string()
    };
    write("title.json", &squad(&long, "1", 9));
    write("id.json", &squad("", &long, 0));
    write("top.json", &json!(long).to_string());
    write("number.json", &format!("{{\"data\": 1{}}}", "0".repeat(1 << 20)));
    write("predictions.json", &json!({long.clone(): "x"}).to_string());
    write("lists.json", &json!({"a": [long]}).to_string());
    write("odds.json", &json!({"a": long}).to_string());
    let quoted = serde_json::to_string(&long[..1 << 16]).unwrap(); // TOML has the same strings
    write("key.toml", &format!("{quoted} = 1"));
    write("twice.toml", &format!("{quoted} = 1\n{quoted} = 1"));
    write("value.toml", &format!("seed = {quoted}"));
    write("d.txt", BREAD);
    let config = fs::read_to_string(small_model().join("config.json")).unwrap();
    write("base/config.json", &config.replace("\"longformer\"", &quoted));
    let name = "x".repeat(5000);
    for (arguments, message) in [
        (&["train", "-m", "embedded", "--train", "title.json", "--out", "out"][..], "answer `x\\nx\\n"),
        (&["train", "-m", "embedded", "--train", "id.json", "--out", "out"], "question `x\\nx\\n"),
        (&["eval", "top.json"], "expected an object with `data`"),
        (&["eval", "number.json"], "`data` is the number 1000"),
        (
            &["eval", "train.json", "--predictions", "predictions.json"],
            "1 prediction, but none for a question of the data",
        ),
        (&["eval", "train.json", "--predictions", "lists.json"], "invalid type: sequence, expected a string"),
        (&["eval", "train.json", "--predictions", "p.json", "--null-odds", "odds.json"], "invalid type: string"),
        (&["train", "--recipe", "key.toml", "--out", "out"], "unknown key `x\\nx\\n"),
        (&["train", "--recipe", "value.toml", "--out", "out"], "seed"),
        (&["train", "--recipe", "twice.toml", "--out", "out"], "duplicate key"),
        (&["ask", "-m", "base", "who?", "d.txt"], "model_type `x\\nx\\n"),
        (&["ask", "-m", &name, "who?", "d.txt"], "`: no such folder"),
    ] {
        write("p.json", "{}");
        check_short(&folder, arguments, message);
    }
}

#[test]
fn messages_repeat_little_of_the_command_line() {
    let folder = Folder::new(&[("d.txt", BREAD.as_bytes())]);
    let long = |start: &str| start.to_owned() + &"9\u{1b}[31m\n".repeat(10_000);
    let [value, threads, option, flags] = ["", "--threads=", "--", "-"].map(long);
    let shown = "9\\u{1b}[31m\\n9\\u{1b}[31m";
    for (arguments, message) in [
        (&[&value[..]][..], "unrecognized subcommand '"),
        (&["help", &value], "unrecognized subcommand '"),
        (&["man", &value], "`: no such command"),
        (&["info", &value], "unexpected argument '"),
        (&["info", &option], "unexpected argument '--"),
        (&["info", &flags], "unexpected argument '-9' found"),
        (&["ask", "who?", "d.txt", &threads], "' for '--threads <N>': expected a whole number from 1 to 4096"),
        (&["ask", "who?", "d.txt", "--respect-borders", &value], "' for '--respect-borders <true|false>'"),
        (&["convert", "a", "b", "--store", &value], "' for '--store <FORMAT>': expected one of"),
        (&["train", "--out", "out", "--schedule", &value], "' for '--schedule <"),
        (&["train", "--out", "out", "--epochs", &value], "' for '--epochs <X>': expected a number above 0"),
        (&["ask", "who?", "d.txt"], "' for '--precision <WHICH>'"),
    ] {
        let ran = ran(folder.command(arguments).env("LONGSPAN_PRECISION", &value));
        let Ran { status, stdout, stderr } = &ran;
        assert_eq!((*status, stdout.as_str()), (2, ""), "{message}");
        assert!(stderr.starts_with("error: ") && stderr.contains(message), "{message}: {stderr}");
        assert!(stderr.contains(shown) || message.contains("'-9'"), "{message}: {stderr}");
        assert!(stderr.len() < MESSAGE_BYTES_MAX && !stderr.contains('\u{1b}'), "{message}: {stderr}");
    }
}

/// A tip repeats an argument as it is, also a short one. Its own colours are others.
#[test]
fn no_argument_reaches_the_terminal_with_its_control_characters() {
    let folder = Folder::new(&[("d.txt", BREAD.as_bytes())]);
    for (arguments, message) in [
        (&["ask", "who?", "d.txt", "--\u{1b}[35mx"][..], "unexpected argument '--\\u{1b}[35mx' found"),
        (&["ask", "who?", "d.txt", "--\u{1b}[35mx=y"], "unexpected argument '--\\u{1b}[35mx' found"),
        (&["ask", "who?", "d.txt", "--threads\u{9b}35m"], "unexpected argument '--threads\\u{9b}35m' found"),
        (&["ask", "who?", "d.txt", "-\u{7}"], "unexpected argument '-\\u{7}' found"),
        (&["\u{1b}[35mask"], "unrecognized subcommand '\\u{1b}[35mask'"),
    ] {
        let Ran { status, stdout, stderr } = ran(folder.command(arguments).env("CLICOLOR_FORCE", "1"));
        assert_eq!((status, stdout.as_str()), (2, ""), "{message}");
        assert!(stderr.replace("\u{1b}[33m", "").replace("\u{1b}[0m", "").contains(message), "{message}: {stderr:?}");
        let is_raw = ["\u{1b}[35m", "\u{9b}", "\u{7}"].iter().any(|control| stderr.contains(control));
        assert!(!is_raw, "{message}: {stderr:?}");
    }
    // Others still get their tip.
    let tip = folder.run(&["ask", "who?", "d.txt", "--thread"]).stderr;
    assert!(tip.contains("tip: a similar argument exists: '--threads'"), "{tip}");
}

/// A path of Unix is any bytes.
#[test]
#[cfg(target_os = "linux")]
fn a_path_need_not_be_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = learnable();
    let name = OsStr::from_bytes(b"x\xff");
    let path = folder.0.path().join(name);
    fs::rename(folder.path("base"), &path).unwrap();
    let run = |arguments: &[&str], last: &[&OsStr]| ran(folder.command(arguments).args(last));
    fs::write(folder.path("d.txt"), BREAD).unwrap();
    let answered = run(&["ask", "What is bread made from?", "d.txt", "-m"], &[name]);
    assert!(answered.status < 2 && answered.stderr.is_empty(), "{answered:?}");
    let document = folder.0.path().join(OsStr::from_bytes(b"\xfe.txt"));
    fs::copy(folder.path("d.txt"), &document).unwrap();
    let answered = run(&["ask", "--json", "What is bread made from?"], &[document.as_os_str()]);
    assert!(answered.status < 2 && answered.stdout.contains(r"\\xfe.txt"), "{answered:?}");

    fs::rename(&path, folder.path("base")).unwrap();
    fs::write(folder.path("t.txt"), "bread is made from flour . ".repeat(20)).unwrap();
    let few = ["--steps", "1", "--max-tokens", "16", "--batch-tokens", "32", "--threads", "1"];
    let pretrain = [&["pretrain", "-m", "base", "--text", "t.txt", "--head-steps", "1"], &few[..], &["--out"]].concat();
    let trained = run(&pretrain, &[name]);
    assert_eq!(trained.status, 0, "{trained:?}");
    let mut files: Vec<_> = fs::read_dir(path.join("tokens")).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["text.bin"]);
    let beside = fs::read_dir(folder.0.path()).unwrap().map(|file| file.unwrap().file_name());
    let strange: Vec<_> = beside.filter(|found| found.to_string_lossy().starts_with('x')).collect();
    assert_eq!(strange, [name]);

    let evaluated = run(&["eval", "train.json", "-m", "base", "--limit", "2", "--out"], &[OsStr::from_bytes(b"y\xff")]);
    assert_eq!(evaluated.status, 0, "{evaluated:?}");
    let missing = run(&["eval", "train.json", "-m"], &[OsStr::from_bytes(b"none\xff")]);
    check_failed(&missing, "`none\u{fffd}`: no such folder");
    let packed = gz(b"{\"data\": []}");
    fs::write(folder.0.path().join(OsStr::from_bytes(b"z\xff.gz")), packed).unwrap();
    check_failed(&run(&["eval"], &[OsStr::from_bytes(b"z\xff.gz")]), r"`z\xff.gz`: no questions");
}
