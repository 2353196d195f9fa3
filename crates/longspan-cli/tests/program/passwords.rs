//! Passwords that are typed at a terminal, which `script` of util-linux provides.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Folder;
use super::documents::with_corpus;

const PROMPT: &str = "password of `encrypted.pdf`: ";

/// A terminal with a user.
struct UserTerminal {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// What it has shown since the last text that was waited for.
    shown: String,
}

impl UserTerminal {
    /// Runs a line of shell, in which `longspan` is the program.
    fn new(folder: &Folder, line: &str) -> Self {
        let process = folder.process(&[]);
        let mut command = Command::new("script");
        let program = process.get_program().to_str().unwrap();
        command.args([
            "-q",
            "-E",
            "always",
            "-e",
            "-c",
            &line.replace("longspan", &format!("'{program}'")),
            "/dev/null",
        ]);
        command.current_dir(folder.0.path()).envs(process.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SHELL", "/bin/sh").env("TERM", "dumb").env("NO_COLOR", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output, shown: String::new() }
    }

    /// Waits until a text is shown. Returns what was shown before it.
    fn wait_for(&mut self, text: &str) -> String {
        let mut byte = [0];
        while !self.shown.ends_with(text) {
            assert_eq!(self.output.read(&mut byte).unwrap(), 1, "`{text}` does not come: {}", self.shown);
            self.shown.push(byte[0].into());
        }
        std::mem::take(&mut self.shown)
    }

    fn types(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// What is shown to the end, and the exit status.
    fn end(mut self) -> (String, Option<i32>) {
        let mut rest = Vec::new();
        self.output.read_to_end(&mut rest).unwrap();
        (self.shown + &String::from_utf8_lossy(&rest).replace("\r\n", "\n"), self.child.wait().unwrap().code())
    }
}

#[test]
fn a_password_is_typed_and_not_shown() {
    let folder = with_corpus(&["pdf/encrypted.pdf"]);
    let mut terminal = UserTerminal::new(&folder, "longspan text encrypted.pdf");
    terminal.wait_for(PROMPT);
    terminal.types("pumpkin\n");
    assert!(!terminal.wait_for(&format!("wrong password; {PROMPT}")).contains("pumpkin"));
    terminal.types("pump\n");
    assert_eq!(terminal.end(), ("\nIt is open to who knows the word.".into(), Some(0)));
}

#[test]
fn three_wrong_passwords_are_an_error_and_none_skips_the_file() {
    let folder = with_corpus(&["pdf/encrypted.pdf"]);
    let mut terminal = UserTerminal::new(&folder, "longspan text encrypted.pdf");
    for _ in 0..3 {
        terminal.wait_for(PROMPT);
        terminal.types("well\n");
    }
    let (shown, status) = terminal.end();
    assert!(
        shown.contains("error: `encrypted.pdf`: encrypted: the password is wrong\n") && status == Some(2),
        "{shown}"
    );
    let mut terminal = UserTerminal::new(&folder, "longspan text encrypted.pdf");
    terminal.wait_for(PROMPT);
    terminal.types("\n");
    let (shown, status) = terminal.end();
    assert!(shown.contains("encrypted: it needs a password\n") && status == Some(2), "{shown}");
}

#[test]
fn an_interrupt_ends_the_program_and_the_terminal_shows_what_is_typed() {
    let folder = with_corpus(&["pdf/encrypted.pdf"]);
    let line =
        "stty -a | grep -o '[-]*echo ' ; longspan text encrypted.pdf; echo status $?; stty -a | grep -o '[-]*echo '";
    let mut terminal = UserTerminal::new(&folder, line);
    assert!(terminal.wait_for(PROMPT).starts_with("echo "));
    terminal.types("pu\u{3}");
    let (shown, _) = terminal.end();
    assert!(shown.contains("status 130\necho "), "{shown}");
}

#[test]
fn passwords_are_asked_for_after_other_documents_or_one_after_the_other() {
    let folder = with_corpus(&["pdf/encrypted.pdf", "pdf/pages.pdf"]);
    let question = "Since when has a company owned the pump?";
    let line = format!("longspan ask --unranked '{question}' encrypted.pdf pages.pdf");
    let mut terminal = UserTerminal::new(&folder, &line);
    assert!(terminal.wait_for(PROMPT).contains("pages.pdf, page i"));
    terminal.types("pump\n");
    let (shown, status) = terminal.end();
    assert!(shown.contains("encrypted.pdf") && status == Some(0), "{shown}");

    let mut terminal = UserTerminal::new(&folder, "longspan ask --interactive encrypted.pdf pages.pdf");
    terminal.wait_for(PROMPT);
    terminal.types("pump\n");
    terminal.wait_for("? ");
    terminal.types(&format!("{question}\n"));
    terminal.wait_for("pages.pdf, page i");
    terminal.types("\u{4}");
    assert_eq!(terminal.end().1, Some(0));
}
