//! The child itself.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Sender};
use std::thread;

use longspan_documents::{draw, encode, read};

use super::pieces::{PIECE_BYTES, ReadingRequest, read_piece};

/// The longest request, without the file.
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// What a child does: it reads the files that its parent sends on standard input, and writes what they gave to standard
/// output. When standard input ends, so does the process, even in the middle of a file.
///
/// # Errors
/// When standard output cannot be written.
pub fn serve_parent() -> io::Result<()> {
    let (sender, requests) = mpsc::channel();
    thread::spawn(|| receive_requests(sender));
    let mut output = io::stdout().lock();
    for (request, file) in requests {
        let ReadingRequest { picture, hints, limits, .. } = &request;
        let result = match picture {
            None => encode(&read(&file, hints, limits)),
            Some(picture) => postcard::to_stdvec(&draw(&file, *picture, hints, limits)).map_err(io::Error::other)?,
        };
        output.write_all(&(result.len() as u64).to_le_bytes())?;
        output.write_all(&result)?;
        output.flush()?;
    }
    Ok(())
}

/// Receives requests while there is a parent. When it has gone, nobody waits for the file that may be in work.
fn receive_requests(sender: Sender<(ReadingRequest, Vec<u8>)>) {
    let mut input = io::stdin().lock();
    while let Ok(request) = receive_request(&mut input)
        && sender.send(request).is_ok()
    {}
    std::process::exit(0)
}

fn receive_request(input: &mut impl Read) -> io::Result<(ReadingRequest, Vec<u8>)> {
    let request = next_piece(input, REQUEST_BYTES_MAX)?;
    let request: ReadingRequest = postcard::from_bytes(&request).map_err(io::Error::other)?;
    limit_memory(request.memory_bytes_max); // the file counts too
    let mut file = Vec::new();
    loop {
        let piece = next_piece(input, PIECE_BYTES as u64)?;
        if piece.is_empty() {
            return Ok((request, file));
        }
        file.extend_from_slice(&piece);
    }
}

fn next_piece(input: &mut impl Read, length_max: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    read_piece(input, u32::from_le_bytes(length).into(), length_max)
}

/// Limits the address space of this process, where the system does so.
#[cfg(unix)]
fn limit_memory(bytes_max: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::As).maximum;
    let current = Some(maximum.map_or(bytes_max, |maximum| maximum.min(bytes_max)));
    let _ = setrlimit(Resource::As, Rlimit { current, maximum });
}

#[cfg(not(unix))]
fn limit_memory(_bytes_max: u64) {}
