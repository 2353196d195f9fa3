//! Event files of TensorBoard, with scalars only.
//!
//! A file is a sequence of records in TensorFlow's TFRecord format, each an `Event` in protobuf (tensorflow/core/util/
//! event.proto, framework/summary.proto):
//!
//! ```text
//! record   length u64, masked CRC-32C of it u32, data, masked CRC-32C of them u32, all little-endian
//! Event    1: wall_time double   2: step int64   3: file_version string   5: Summary   7: SessionLog
//! Summary  1: repeated Value { 1: tag string   2: simple_value float }
//! SessionLog  1: status enum, START = 1: discards this step and later ones in earlier files
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::folder::cannot_write;

/// An event file.
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a file in a folder. It discards `step` and later steps in the other files there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(folder: &Path, step: usize) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        let now = now();
        let (path, file) = new_file(folder, now as u64)?;
        let mut events = Self { path, file };
        events.write(&event(now, 0, &EventContent::FileVersion))?;
        events.write(&event(now, step, &EventContent::Start))?;
        Ok(events)
    }

    /// Adds the scalars of a step.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, step: usize, scalars: &[(&str, f64)]) -> Result<()> {
        self.write(&event(now(), step, &EventContent::Scalars(scalars)))
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        self.file.write_all(&record(event)).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// A file whose name sorts after those of earlier runs, since TensorBoard reads files in order of their names.
fn new_file(folder: &Path, seconds: u64) -> Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.{number}.longspan"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(cannot_write(&path, &error)),
            Ok(file) => return Ok((path, file)),
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The content of an event.
enum EventContent<'a> {
    /// The first event of a file.
    FileVersion,
    /// A run starts at this step.
    Start,
    /// Numbers by name.
    Scalars(&'a [(&'a str, f64)]),
}

fn event(wall_time: f64, step: usize, content: &EventContent<'_>) -> Vec<u8> {
    let mut event = vec![1 << 3 | FIXED64];
    event.extend(wall_time.to_le_bytes());
    if step > 0 {
        event.push(2 << 3 | VARINT); // protobuf omits zeros
        varint(&mut event, step as u64);
    }
    match content {
        EventContent::FileVersion => bytes(&mut event, 3, b"brain.Event:2"),
        EventContent::Start => bytes(&mut event, 7, &[1 << 3 | VARINT, 1]),
        EventContent::Scalars(scalars) => {
            let mut summary = Vec::new();
            for (tag, number) in *scalars {
                let mut value = Vec::new();
                bytes(&mut value, 1, tag.as_bytes());
                value.push(2 << 3 | FIXED32);
                value.extend((*number as f32).to_le_bytes());
                bytes(&mut summary, 1, &value);
            }
            bytes(&mut event, 5, &summary);
        }
    }
    event
}

/// Types of fields in protobuf's encoding: the low bits of their keys.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

fn bytes(message: &mut Vec<u8>, field: u8, content: &[u8]) {
    message.push(field << 3 | BYTES);
    varint(message, content.len() as u64);
    message.extend(content);
}

/// Seven bits per byte, the lowest first; the highest bit is set if another byte follows.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let parts = [&length[..], &masked_crc(&length).to_le_bytes(), data, &masked_crc(data).to_le_bytes()];
    parts.concat()
}

/// CRC-32C, masked as TensorFlow stores it, because a CRC of data that contain CRCs is weak (tsl/lib/hash/crc32c.h).
fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The CRC with Castagnoli's polynomial. Bit by bit is fast enough for some hundred bytes per step.
fn crc32c(data: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78; // with reversed bits, because the lowest bit is processed first
    !data.iter().fold(u32::MAX, |crc, &byte| {
        let next = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(byte), |crc, _| next(crc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_castagnolis() {
        // The check value of the catalogue of CRCs, and two of RFC 3720, B.4.
        for (data, crc) in [(&b"123456789"[..], 0xe306_9283), (&[0; 32], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43)] {
            assert_eq!(crc32c(data), crc, "{data:?}");
        }
    }

    /// The bytes were written by TensorBoard's own classes (tensorboard 2.21, `RecordWriter` and `event_pb2`).
    #[test]
    fn a_file_has_the_bytes_that_tensorboard_writes() {
        let wall_time = 1_700_000_000.5;
        for (step, content, expected) in [
            (0, EventContent::FileVersion, FILE_VERSION),
            (300, EventContent::Start, START),
            (300, EventContent::Scalars(&[("loss", 2.5), ("dev/f1", 66.7)]), SCALARS),
        ] {
            let found: String =
                record(&event(wall_time, step, &content)).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, expected);
        }
    }

    const FILE_VERSION: &str = "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110";
    const START: &str = "100000000000000095fbfe180900002040fc54d94110ac023a020801b94512a3";
    const SCALARS: &str = "2a00000000000000ae8d91f50900002040fc54d94110ac022a1c0a0b0a046c6f737315000020400a0d0a0664\
                           65762f663115666685429f0fccfe";
}
