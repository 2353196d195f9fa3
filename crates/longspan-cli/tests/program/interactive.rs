//! `longspan ask --interactive`, with questions from a pipe.

use super::{BREAD, Folder, PUMP, Ran, check_failed, masked, ran};

fn converse(arguments: &[&str], questions: &[u8]) -> Ran {
    let folder = Folder::new(&[("pump.txt", PUMP.as_bytes()), ("bread.txt", BREAD.as_bytes())]);
    ran(folder.command(&[&["ask", "--interactive"], arguments].concat()).write_stdin(questions))
}

#[test]
fn every_line_is_a_question() {
    let questions = b"Who installed the pump?\n\n  When was the pump installed?\r\n";
    let ran = converse(&["pump.txt"], questions);
    let expected = "\
Ada Brown
  score S (f32)  pump.txt:1  characters 39–48
  The pump was installed in May 1911 by »Ada Brown« 🚰.

May 1911
  score S (f32)  pump.txt:1  characters 27–35
  The pump was installed in »May 1911« by Ada Brown 🚰.
";
    assert_eq!((ran.status, masked(&ran.stdout).as_str(), ran.stderr.as_str()), (0, expected, ""));
}

#[test]
fn every_line_of_a_pipe_is_a_question() {
    let ran = converse(&["--json", "pump.txt"], b"help\nquit\nexit\nWho installed the pump?\n");
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (4, ""), "{ran:?}");
}

#[test]
fn an_error_in_one_line_does_not_affect_the_others() {
    let questions = [b"wh\xe9?\n", "why ".repeat(5000).as_bytes(), b"\nWho installed the pump?"].concat();
    let ran = converse(&["--json", "missing.txt", "bread.txt", "pump.txt"], &questions);
    let errors: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!((ran.status, errors.len(), ran.stdout.lines().count()), (2, 3, 2), "{ran:?}");
    assert_eq!(errors[..2], ["error: `missing.txt`: no such file", "error: the question: invalid UTF-8"]);
}

#[test]
fn exit_status_and_required_arguments() {
    assert_eq!(converse(&["pump.txt"], b"").status, 0);
    assert_eq!(converse(&["bread.txt"], b"Who painted the ceiling of the chapel?\n").status, 1);
    check_failed(&converse(&[], b""), "documents must be files");
    check_failed(&converse(&["-"], b""), "documents must be files");
    check_failed(&converse(&["missing.txt"], b"who?\n"), "`missing.txt`: no such file");
    check_failed(&converse(&["--max-tokens", "1000000", "pump.txt"], b"who?\n"), "1000000");
}
