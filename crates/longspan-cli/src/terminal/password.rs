//! A prompt at the terminal for what nobody should see.

use std::io;

/// Asks for a password, which is not shown while it is typed. Ctrl-D alone gives an empty one; Ctrl-C ends the program.
///
/// # Errors
/// When there is no terminal, or what is typed is no text.
#[cfg(unix)]
pub fn ask(prompt: &str) -> io::Result<String> {
    use std::fs::File;
    use std::io::{Read, Write};

    use rustix::process::{Signal, getpid, kill_process};
    use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

    /// The byte of Ctrl-C.
    const INTERRUPT: u8 = 3;

    /// A terminal that gets back the modes that it had.
    struct QuietTerminal<'t>(&'t File, Termios);
    impl Drop for QuietTerminal<'_> {
        fn drop(&mut self) {
            let _ = tcsetattr(self.0, OptionalActions::Now, &self.1);
        }
    }

    let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let file = terminal.try_clone()?;
    let before = tcgetattr(&file)?;
    let mut modes = before.clone();
    // Ctrl-C would end the program before the terminal has its modes again: it ends the line instead.
    modes.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    modes.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
    let quiet = QuietTerminal(&file, before);
    tcsetattr(&file, OptionalActions::Now, &modes)?;
    terminal.write_all(prompt.as_bytes())?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while terminal.read(&mut byte)? == 1 && !matches!(byte[0], b'\n' | INTERRUPT) {
        line.push(byte[0]);
    }
    drop(quiet);
    terminal.write_all(b"\n")?;
    if byte[0] == INTERRUPT {
        let _ = kill_process(getpid(), Signal::INT);
        std::process::exit(130); // scripts start what runs in the background with this signal ignored
    }
    String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Asks for a password, which is not shown while it is typed.
///
/// # Errors
/// When there is no terminal, or what is typed is no text.
#[cfg(not(unix))]
pub fn ask(prompt: &str) -> io::Result<String> {
    rpassword::prompt_password(prompt)
}
